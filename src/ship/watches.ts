// One inotify watch per folder in which log files are or may come.
import { join } from 'node:path';
import type { LogFiles } from '../system/log-files.ts';

export type Watches = Disposable & {
  /** Watches these folders and no other. */
  update(folders: ReadonlySet<string>): Promise<void>;
  /** Watches this one too. false: it is no folder. */
  add(folder: string): Promise<boolean>;
  /** Every wanted folder tells of its changes; otherwise look by yourself, often. */
  readonly complete: boolean;
};

export type WatchesDeps = {
  readonly logFiles: LogFiles;
  /** Something of this name came, went or was renamed in a folder; undefined: nobody knows what. */
  readonly onList: (folder: string, name: string | undefined) => void;
  /** A file grew or shrank. */
  readonly onData: (path: string) => void;
};

export function createWatches({ logFiles, onList, onData }: WatchesDeps): Watches {
  const watches = new Map<string, { readonly watch: Disposable; readonly inode: string }>();
  let complete = false;

  const drop = (folder: string): void => {
    watches.get(folder)?.watch[Symbol.dispose]();
    watches.delete(folder);
  };

  const add = async (folder: string): Promise<boolean> => {
    // A folder that was deleted and made anew is another one, of which the old watch says nothing.
    const inode = await logFiles.folderInode(folder);
    if (watches.get(folder)?.inode !== inode) drop(folder);
    if (inode === undefined) return false;
    if (watches.has(folder)) return true;
    const watch = logFiles.watch(folder, (kind, name) => {
      if (kind === 'lost') drop(folder);
      if (kind === 'data' && name !== undefined) onData(join(folder, name));
      else onList(folder, name);
    });
    if (watch === undefined) complete = false;
    else watches.set(folder, { watch, inode });
    return true;
  };

  return {
    update: async (folders) => {
      for (const folder of watches.keys()) if (!folders.has(folder)) drop(folder);
      complete = true;
      for (const folder of folders) if (!(await add(folder))) complete = false;
    },
    add,
    get complete() {
      return complete;
    },
    [Symbol.dispose]: () => {
      for (const folder of watches.keys()) drop(folder);
    },
  };
}
