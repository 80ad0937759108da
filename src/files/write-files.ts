// The writer: puts files in their place as root, as far as the policy of the host allows it. It keeps no state, and
// whatever kills it leaves the old file or the new one; a temporary file that is left over is removed by the next run.
import { basename, dirname, join } from 'node:path';
import { BerthError, messageOf } from '../errors.ts';
import type { Commands } from '../system/commands.ts';
import type { Files } from '../system/files.ts';
import { isSameFile } from '../system/host-files.ts';
import type { TrustedFolders } from '../system/trusted-folders.ts';
import type { Accounts } from './accounts.ts';
import { readPolicy, refusedCommand, refusedPath, type Policy } from './policy.ts';
import type { WantedFile, WriteAnswer, WriteRequest, WriteResult } from './request.ts';
import { readAccounts, wantedState } from './wanted-state.ts';

export type WriterDeps = {
  readonly folders: TrustedFolders;
  readonly commands: Commands;
  readonly files: Pick<Files, 'readText'>;
};

type FileCommand = NonNullable<WantedFile['check']>;

/** Hidden, so that no application takes it for one of its own. */
const leftOver = /^\..+\.berth-new$/;

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
  await sweep(deps, policy?.paths ?? []);
  const accounts = await readAccounts(deps.files);
  const results: WriteResult[] = [];
  for (const file of request.files) {
    const refused = refusalOf(policy, file, policyPath);
    results.push(
      refused === undefined
        ? await putInPlace(deps, accounts, file, signal)
        : problemOf(file, `cannot write ${file.path}: ${refused}`),
    );
  }
  const reloaded = await reload(deps, policy, { request, results }, signal);
  return { results: reloaded };
}

function refusalOf(policy: Policy | undefined, file: WantedFile, at: string): string | undefined {
  const programs = [file.check, file.reload].flatMap((one) => (one === undefined ? [] : [one]));
  return (
    refusedPath(policy, file.path, at) ??
    programs.map(({ argv }) => refusedCommand(policy, argv, at)).find((one) => one !== undefined)
  );
}

function problemOf(file: WantedFile, problem: string): WriteResult {
  return { path: file.path, written: false, reloadDue: file.reloadDue, problem };
}

async function putInPlace(
  deps: WriterDeps,
  accounts: Accounts,
  file: WantedFile,
  signal: AbortSignal,
): Promise<WriteResult> {
  const { path, check } = file;
  try {
    const wanted = wantedState(file, accounts);
    if (typeof wanted === 'string') return problemOf(file, `cannot write ${path}: ${wanted}`);
    const name = basename(path);
    const aside = temporaryOf(name);
    await using folder = await deps.folders.open(dirname(path));
    const found = await folder.read(name);
    if (found !== undefined && isSameFile(found, wanted)) {
      return { path, written: false, reloadDue: file.reloadDue };
    }
    try {
      await folder.remove(aside);
      await folder.create(aside, wanted);
      const failure =
        check && (await failureOf(deps, at(check, join(dirname(path), aside)), file.quiet, signal));
      if (failure !== undefined) {
        return problemOf(file, `cannot write ${path}: its check ${failure}; the old file stays`);
      }
      await folder.rename(aside, name);
    } finally {
      await folder.remove(aside);
    }
    return { path, written: true, reloadDue: file.reload !== undefined };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof BerthError)) throw error;
    return problemOf(file, `cannot write ${path}: ${error.message}`);
  }
}

/** Each program once, whatever the number of files that want it. */
async function reload(
  deps: WriterDeps,
  policy: Policy | undefined,
  {
    request,
    results,
  }: { readonly request: WriteRequest; readonly results: readonly WriteResult[] },
  signal: AbortSignal,
): Promise<WriteResult[]> {
  // Whoever shares a program may have a secret.
  const quiet = request.files.some((file) => file.quiet);
  const failures = new Map<string, string | undefined>();
  const after: WriteResult[] = [];
  for (const [i, result] of results.entries()) {
    const { reload: program } = request.files[i]!;
    const isAllowed = program && refusedCommand(policy, program.argv, '') === undefined;
    if (!result.reloadDue || isAllowed !== true) {
      after.push(program === undefined ? { ...result, reloadDue: false } : result);
      continue;
    }
    const key = JSON.stringify(program.argv);
    if (!failures.has(key)) failures.set(key, await failureOf(deps, program, quiet, signal));
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

function at({ argv, timeoutMs }: FileCommand, path: string): FileCommand {
  return { argv: argv.map((word) => word.replaceAll('{}', path)), timeoutMs };
}

/** How it went wrong: `"nginx" ended with code 1: ...`; undefined: it did not. Throws the signal's reason. */
async function failureOf(
  { commands }: WriterDeps,
  program: FileCommand,
  quiet: boolean,
  signal: AbortSignal,
): Promise<string | undefined> {
  const name = `"${program.argv[0]}"`;
  try {
    const { code, timedOut, lastLine } = await commands.run(program, signal);
    if (timedOut) return `${name} had not ended after ${program.timeoutMs / 1000} s`;
    if (code === 0) return undefined;
    const how = code === undefined ? 'was killed' : `ended with code ${code}`;
    return `${name} ${how}${quiet || lastLine === '' ? '' : `: ${lastLine}`}`;
  } catch (error) {
    signal.throwIfAborted();
    return messageOf(error);
  }
}

/** Of a writer that was killed: in the folders that the policy names, so that none stays for ever. */
async function sweep({ folders }: WriterDeps, paths: readonly string[]): Promise<void> {
  for (const path of new Set(paths.map((one) => dirname(one)))) {
    try {
      await using folder = await folders.open(path);
      for (const name of await folder.list()) {
        if (leftOver.test(name)) await folder.remove(name);
      }
    } catch {
      // Whoever writes there hears of it.
    }
  }
}

function temporaryOf(name: string): string {
  return `.${name}.berth-new`;
}
