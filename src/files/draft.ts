// A file that is wanted, beside its place: found good by its check, and one step away from it.
import { basename, dirname, join } from 'node:path';
import { BerthError } from '../errors.ts';
import { isSameFile } from '../system/host-files.ts';
import type { TrustedFolders } from '../system/trusted-folders.ts';
import type { Accounts } from './accounts.ts';
import type { Program, Programs } from './programs.ts';
import type { WantedFile } from './request.ts';
import { wantedState } from './wanted-state.ts';

export type Draft = {
  readonly file: WantedFile;
  /** By the policy. */
  readonly isAllowed: boolean;
  /** Why it must not take its place. */
  readonly problem: string | undefined;
  /** Puts it there, and returns why it could not; undefined: it is there, as it is to be, or there is a problem. */
  readonly put: (() => Promise<string | undefined>) | undefined;
};

export type DraftDeps = {
  readonly folders: TrustedFolders;
  readonly programs: Programs;
  readonly accounts: Accounts;
  /** Temporary files and open folders, until all is done. */
  readonly leftOver: AsyncDisposableStack;
};

/** Throws the signal's reason; all else is a problem. */
export async function draftOf(deps: DraftDeps, file: WantedFile): Promise<Draft> {
  const { folders, programs, accounts, leftOver } = deps;
  const draft = { file, isAllowed: true, problem: undefined, put: undefined };
  const { path, check } = file;
  const name = basename(path);
  const aside = `.${name}${ending}`;
  const wanted = wantedState(file, accounts);
  if (typeof wanted === 'string') return { ...draft, problem: wanted };
  try {
    const folder = leftOver.use(await folders.open(dirname(path)));
    const found = await folder.read(name);
    if (found !== undefined && isSameFile(found, wanted)) return draft;
    await folder.remove(aside);
    // Where it cannot be removed now, the next run does it.
    leftOver.defer(() => folder.remove(aside).catch(() => undefined));
    await folder.create(aside, wanted);
    const failure =
      check && (await programs.failureOf(at(check, join(dirname(path), aside)), file.quiet));
    if (failure !== undefined) {
      return { ...draft, problem: `its check ${failure}; the old file stays` };
    }
    return { ...draft, put: () => problemOf(folder.rename(aside, name)) };
  } catch (error) {
    return { ...draft, problem: reasonOf(error) };
  }
}

/** Hidden, so that no application takes it for one of its own. */
const ending = '.berth-new';

export function isTemporary(name: string): boolean {
  return name.startsWith('.') && name.endsWith(ending);
}

function problemOf(work: Promise<void>): Promise<string | undefined> {
  return work.then(() => undefined, reasonOf);
}

function reasonOf(error: unknown): string {
  if (error instanceof BerthError) return error.message;
  throw error;
}

function at({ argv, timeoutMs }: Program, path: string): Program {
  return { argv: argv.map((word) => word.replaceAll('{}', path)), timeoutMs };
}
