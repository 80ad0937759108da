// The writer: puts files in their place as root, as far as the policy of the host allows it. It keeps no state, and
// whatever kills it leaves the old file or the new one; a temporary file that is left over is removed by the next run.
import { dirname } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Files } from '../system/files.ts';
import type { TrustedFolders } from '../system/trusted-folders.ts';
import { draftOf, isTemporary, type Draft } from './draft.ts';
import { readPolicy, refusalOf, type Policy } from './policy.ts';
import { createPrograms, type Programs, type ProgramsDeps } from './programs.ts';
import type { WantedFile, WriteAnswer, WriteRequest, WriteResult } from './request.ts';
import { readAccounts } from './wanted-state.ts';

export type WriterDeps = ProgramsDeps & {
  readonly folders: TrustedFolders;
  readonly files: Pick<Files, 'readText'>;
};

/** Throws the signal's reason; all else is in the answer. */
export async function writeFiles(
  deps: WriterDeps,
  { request, policyPath }: { readonly request: WriteRequest; readonly policyPath: string },
  signal: AbortSignal,
): Promise<WriteAnswer> {
  let policy: Policy | undefined;
  try {
    policy = await readPolicy(deps.folders, policyPath);
  } catch (error) {
    return { results: [], refused: messageOf(error) };
  }
  const accounts = await readAccounts(deps.files);
  const programs = createPrograms(deps, signal);
  const drafts: Draft[] = [];
  const results: WriteResult[] = [];
  await using leftOver = new AsyncDisposableStack();
  for (const file of request.files) {
    const refused = refusalOf(policy, file, policyPath);
    const draft =
      refused === undefined
        ? await draftOf({ folders: deps.folders, programs, accounts, leftOver }, file)
        : { file, isAllowed: false, problem: refused, put: undefined };
    drafts.push(draft);
  }
  for (const draft of drafts) results.push(await placed(draft, drafts));
  await leftOver.disposeAsync();
  const answer = { results: await reloaded(drafts, results, programs) };
  // Last, since it may come to a file system that hangs.
  await sweep(deps, policy?.files.map(({ path }) => dirname(path)) ?? []);
  return answer;
}

/** Of files with the same reload, which are of one service, all are good or none is put in its place. */
async function placed(draft: Draft, drafts: readonly Draft[]): Promise<WriteResult> {
  const { file, put } = draft;
  const { path, reloadDue } = file;
  const problemOf = (problem: string): WriteResult => ({
    path,
    written: false,
    reloadDue,
    problem: `cannot write ${path}: ${problem}`,
  });
  if (draft.problem !== undefined) return problemOf(draft.problem);
  if (put === undefined) return { path, written: false, reloadDue };
  const bad = drafts.find((other) => other.problem !== undefined && areOne(other.file, file));
  if (bad !== undefined) return problemOf(`${bad.file.path} has the same reload, and is refused`);
  const problem = await put();
  if (problem !== undefined) return problemOf(problem);
  return { path, written: true, reloadDue: file.reload !== undefined };
}

function areOne(a: WantedFile, b: WantedFile): boolean {
  return a.reload !== undefined && keyOf(a.reload) === keyOf(b.reload);
}

/** Each program once, whatever the number of files that want it. */
async function reloaded(
  drafts: readonly Draft[],
  results: readonly WriteResult[],
  programs: Programs,
): Promise<WriteResult[]> {
  // Whoever shares a program may have a secret.
  const quiet = drafts.some(({ file }) => file.quiet);
  const failures = new Map<string, string | undefined>();
  const after: WriteResult[] = [];
  for (const [i, result] of results.entries()) {
    const { file, isAllowed } = drafts[i]!;
    const { reload } = file;
    if (reload === undefined || !result.reloadDue || !isAllowed) {
      after.push({ ...result, reloadDue: result.reloadDue && reload !== undefined });
      continue;
    }
    const key = keyOf(reload);
    if (!failures.has(key)) failures.set(key, await programs.failureOf(reload, quiet));
    const failure = failures.get(key);
    const problem = failure && `cannot reload after ${result.path} was written: ${failure}`;
    after.push({
      ...result,
      reloadDue: failure !== undefined,
      problem: [result.problem, problem].filter(Boolean).join('; ') || undefined,
    });
  }
  return after;
}

function keyOf(program: WantedFile['reload']): string {
  return JSON.stringify(program?.argv);
}

/** Of a writer that was killed: in the folders that the policy names, so that none stays for ever. */
async function sweep({ folders }: WriterDeps, paths: readonly string[]): Promise<void> {
  for (const path of new Set(paths)) {
    try {
      await using folder = await folders.open(path);
      for (const name of await folder.list()) {
        if (isTemporary(name)) await folder.remove(name);
      }
    } catch {
      // Whoever writes there hears of it.
    }
  }
}
