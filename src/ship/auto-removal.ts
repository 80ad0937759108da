// auto_removal: deletes a file that CloudWatch has to its end, once a newer one of the same entry is followed.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LogFiles } from '../system/log-files.ts';
import type { Followed } from './followed.ts';

type Deps = { readonly logFiles: LogFiles; readonly log: Log };

/** What cannot be deleted is said, and tried again with the next look. */
export async function removeSent(
  { logFiles, log }: Deps,
  files: Iterable<Followed>,
  failed: Set<string>,
): Promise<void> {
  const wanted = [...files].filter(({ source }) => source.autoRemoval);
  for (const file of wanted) {
    const { path, tail, source } = file;
    const isNewest = !wanted.some(
      (other) => other.source === source && other.tail.stat.mtimeMs > tail.stat.mtimeMs,
    );
    if (isNewest) continue;
    try {
      await tail.refresh();
      if (tail.acked.offset < tail.stat.size || tail.stat.links === 0) continue;
      if (await logFiles.remove(path, tail.stat.inode))
        log.info({ path }, 'deleted a log file: it is sent, and there is a newer one');
      failed.delete(path);
    } catch (error) {
      if (!failed.has(path))
        log.warn({ path, error: messageOf(error) }, 'cannot delete a log file that is sent');
      failed.add(path);
    }
  }
}
