// What would happen to the files of the configuration, for people: secrets masked. Reads, and changes nothing.
import { messageOf } from '../errors.ts';
import type { FileConfig } from '../model/config.ts';
import { maskSecrets } from '../secrets.ts';
import type { Files } from '../system/files.ts';
import { isSameFile, type FileState, type HostFiles } from '../system/host-files.ts';
import type { Accounts } from './accounts.ts';
import { diffLines } from './line-diff.ts';
import { readAccounts, wantedState } from './wanted-state.ts';

export type FilePlan = {
  readonly path: string;
  /** One sentence. */
  readonly step: string;
  /** `-` goes, `+` comes; '' where the file is in place. */
  readonly diff: readonly string[];
};

type PlanFilesDeps = { readonly files: Pick<Files, 'readText'>; readonly hostFiles: HostFiles };

const mask = '***';
const readableByAll = 0o004;

export async function planFiles(
  deps: PlanFilesDeps,
  files: readonly FileConfig[],
): Promise<readonly FilePlan[]> {
  if (files.length === 0) return [];
  const accounts = await readAccounts(deps.files);
  const plans: FilePlan[] = [];
  // One after the other: what hangs must not keep the others waiting.
  for (const file of files) plans.push(await planFile(deps, file, accounts));
  return plans;
}

async function planFile(
  { hostFiles }: PlanFilesDeps,
  file: FileConfig,
  accounts: Accounts,
): Promise<FilePlan> {
  const { path } = file;
  try {
    const wanted = wantedState(file, accounts);
    if (typeof wanted === 'string') return { path, step: `cannot be written: ${wanted}`, diff: [] };
    const found = await hostFiles.read(path);
    if (found === undefined) {
      return { path, step: `is written: ${nameOf(file)}`, diff: contentDiff(undefined, wanted) };
    }
    if (isSameFile(found, wanted)) return { path, step: 'is in place', diff: [] };
    const isAnother = found.uid !== wanted.uid || found.gid !== wanted.gid;
    const rights = isAnother || found.mode !== wanted.mode ? `, from ${numbersOf(found)}` : '';
    const diff = contentDiff(found, wanted);
    return { path, step: `is written anew: ${nameOf(file)}${rights}`, diff };
  } catch (error) {
    return { path, step: messageOf(error), diff: [] };
  }
}

function nameOf({ owner, group, mode }: FileConfig): string {
  return `${owner}:${group} ${mode.toString(8).padStart(4, '0')}`;
}

function numbersOf({ uid, gid, mode }: FileState): string {
  return `${uid}:${gid} ${mode.toString(8).padStart(4, '0')}`;
}

/** What goes may have been a secret, which nobody knows any more: it is shown where everybody may read the file. */
function contentDiff(found: FileState | undefined, wanted: FileState): readonly string[] {
  const isOpen = ((found?.mode ?? 0) & readableByAll) !== 0;
  const lines = diffLines(linesOf(found), linesOf(wanted)).map(
    ({ sign, text }) => `${sign}${sign === '-' && !isOpen ? mask : text}`,
  );
  const isHidden = lines.length === 0 && found?.content.equals(wanted.content) === false;
  return isHidden ? [` ${mask}: other secrets`] : lines;
}

/** The mask first: a secret may have several lines. */
function linesOf(state: FileState | undefined): readonly string[] {
  if (state === undefined || state.content.length === 0) return [];
  const lines = maskSecrets(state.content.toString()).split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => line.replaceAll(/(?!\t)\p{Cc}/gu, '?'));
}
