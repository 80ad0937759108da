# cloud-init's own Ec2 data source crawls an IMDS: prints what it found, and every warning, as one object of JSON.
# Usage: cloud-init-crawl.py FOLDER METADATA_URL|default {"MAC": "NIC", ...}
import json
import logging
import sys

from cloudinit import dmi, helpers, net, util
from cloudinit.sources import DataSourceEc2 as ec2

folder, metadata_url, nics = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

# The firmware and the NICs of an EC2 instance: those of this machine say something else.
firmware = {
    "system-uuid": "ec2a0000-0000-4000-8000-000000000001",
    "system-serial-number": "ec2a0000-0000-4000-8000-000000000001",
    "system-manufacturer": "Amazon EC2",
}
dmi.read_dmi_data = firmware.get
net.get_interfaces_by_mac = lambda *_args, **_kwargs: nics


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.levelname + ": " + record.getMessage())


warnings = Warnings()
logging.getLogger().addHandler(warnings)
logging.getLogger().setLevel(logging.WARNING)

settings = {"max_wait": 10, "timeout": 5}
if metadata_url != "default":
    settings["metadata_urls"] = [metadata_url]
paths = helpers.Paths({"cloud_dir": folder + "/lib", "run_dir": folder + "/run"})
source = ec2.DataSourceEc2({"datasource": {"Ec2": settings}}, None, paths)
source._fallback_interface = next(iter(nics.values()))
found = source._get_data()

report = {"found": found, "cloud": source.cloud_name}
if found:
    report.update(
        {
            "metadataAddress": source.metadata_address,
            "apiVersion": source._crawled_metadata["_metadata_api_version"],
            "instanceId": source.get_instance_id(),
            "region": source.region,
            "availabilityZone": source.availability_zone,
            "hostname": str(source.get_hostname().hostname),
            "launchIndex": source.launch_index,
            "rootDevice": source.device_name_to_device("root"),
            "publicKeys": source.get_public_ssh_keys(),
            "userData": util.decode_binary(source.get_userdata_raw()),
            "networkConfig": source.network_config,
            "metaData": source.metadata,
            "identity": source.identity,
        }
    )
report["warnings"] = warnings.texts
print(json.dumps(report))
