// Which files and folders match a pattern: looks into the folders that may hold one. Links to folders are followed where
// the pattern says how deep they are, so that a loop of links ends.
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createGlob } from './glob.ts';

export type Walked = {
  /** Regular ones, or links to one. */
  readonly files: readonly string[];
  /** The root, also where it is not there, and those below it in which files are or may come. */
  readonly folders: readonly string[];
};

/** `only`: folders cost less than files. What cannot be looked into is left out. */
export async function walk(pattern: string, only: 'files' | 'folders'): Promise<Walked> {
  const glob = createGlob(pattern);
  const found = { files: [] as string[], folders: [glob.root] };
  const last = glob.parts.length - 1;
  const add = async (path: string, entry: Dirent | undefined): Promise<void> => {
    const isMaybe = entry === undefined || entry.isSymbolicLink();
    if (entry?.isFile() === true || (isMaybe && (await is(path, 'isFile')))) found.files.push(path);
  };
  const look = async (folder: string, depth: number): Promise<void> => {
    const part = glob.parts[depth]!;
    const isEnd = depth === last && !part.isOpen;
    if (isEnd && only === 'folders') return;
    if (part.name !== undefined) {
      const path = below(folder, part.name);
      if (isEnd) await add(path, undefined);
      else if (await is(path, 'isDirectory')) await enter(path, depth + 1);
      return;
    }
    for (const entry of await entriesOf(folder)) {
      const path = below(folder, entry.name);
      if (part.isOpen) {
        if (entry.isDirectory()) await enter(path, depth);
        else if (only === 'files' && glob.matches(path)) await add(path, entry);
      } else if (part.pattern.test(entry.name)) {
        if (isEnd) await add(path, entry);
        else if (entry.isDirectory() || (entry.isSymbolicLink() && (await is(path, 'isDirectory'))))
          await enter(path, depth + 1);
      }
    }
  };
  const enter = async (folder: string, depth: number): Promise<void> => {
    found.folders.push(folder);
    await look(folder, depth);
  };

  await look(glob.root, 0);
  return found;
}

function below(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  return await readdir(folder, { withFileTypes: true }).catch(() => []);
}

async function is(path: string, kind: 'isFile' | 'isDirectory'): Promise<boolean> {
  return await stat(path).then(
    (found) => found[kind](),
    () => false,
  );
}
