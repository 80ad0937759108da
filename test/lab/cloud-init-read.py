# What cloud-init makes of user data, by its own code: the merged cloud-config, as JSON.
# Usage: cloud-init-read.py FOLDER <USER_DATA
import json
import logging
import sys

from cloudinit import handlers, helpers, user_data, util
from cloudinit.handlers.cloud_config import CloudConfigPartHandler

folder = sys.argv[1]
warnings = []


class Warnings(logging.Handler):
    def emit(self, record):
        warnings.append(record.levelname + ": " + record.getMessage())


logging.getLogger().addHandler(Warnings(logging.WARNING))

paths = helpers.Paths({"cloud_dir": folder, "run_dir": folder})
written = folder + "/merged"
paths.get_ipath = lambda name=None: written if name == "cloud_config" else folder
message = user_data.UserDataProcessor(paths).process(sys.stdin.buffer.read())
merger = CloudConfigPartHandler(paths)
merger.handle_part(None, handlers.CONTENT_START, None, None, None, None)
for part in message.walk():
    kind = part.get_content_type()
    if kind == "text/cloud-config":
        text = util.fully_decoded_payload(part)
        merger.handle_part(None, kind, part.get_filename(), text, "always", part)
merger.handle_part(None, handlers.CONTENT_END, None, None, None, None)
config = util.load_yaml(util.load_file(written))
print(json.dumps({"config": config, "warnings": warnings}))
