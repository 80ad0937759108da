// Keeps the files of the configuration as they are to be: looks at each, and asks the writer only where one differs.
import { isDeepStrictEqual } from 'node:util';
import { hasCode, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { FileConfig } from '../model/config.ts';
import type { StatusFile } from '../model/status.ts';
import type { Files } from '../system/files.ts';
import { isSameFile, type HostFiles } from '../system/host-files.ts';
import type { Random } from '../system/random.ts';
import { askWriter, type AskWriterDeps } from './ask-writer.ts';
import type { DueReloads } from './due-reloads.ts';
import { programsMs } from './request.ts';
import { readAccounts, wantedState } from './wanted-state.ts';

export type KeepFilesDeps = AskWriterDeps & {
  readonly random: Random;
  readonly log: Log;
  readonly files: Pick<Files, 'readText'>;
  readonly hostFiles: HostFiles;
  readonly due: DueReloads;
  readonly onStatus: (files: readonly StatusFile[]) => void;
};

export type FileTrouble = {
  readonly message: string;
  /** The writer is busy or away, or a file system does not answer: it is not the file's fault. */
  readonly mayPass: boolean;
};

export type FileKeeper = {
  /** Resolves when the files of the start were tried once, or that took too long. Never rejects. */
  readonly tried: Promise<void>;
  /** Looks at them at once, then now and then. Ends by the signal's reason. */
  run(): Promise<never>;
  /**
   * From now on these; they are looked at as soon as what is under way has ended. Returns what is wrong with one that is
   * new or another than before, once they were tried, or that took too long. Never rejects.
   */
  change(files: readonly FileConfig[]): Promise<FileTrouble | undefined>;
  /** Somebody asked: looks at once, however often it went wrong. */
  look(): void;
};

/** Local reads only. */
const everyMs = 60_000;
/** Of those rounds one that goes wrong again and again has every tenth: a check that fails helps nobody each minute. */
const seldomRounds = 10;
/** Somebody waits for ready, or for a reload. */
const triedWithinMs = 60_000;

export function createFileKeeper(
  deps: KeepFilesDeps,
  input: { readonly socketPath: string; readonly files: readonly FileConfig[] },
  signal: AbortSignal,
): FileKeeper {
  const { clock, random, log, due } = deps;
  let wanted = input.files;
  let status: readonly StatusFile[] = wanted.map(({ path }) => pending(path));
  /** Of each that goes wrong: how often in a row, and for how many rounds it is left alone. */
  const troubles = new Map<string, { readonly failures: number; readonly rest: number }>();
  /** Something changed, or somebody asked, since the round that is under way began. */
  let again = false;
  /** undefined: a round is under way, or about to be. */
  let sleep: AbortController | undefined;
  /** Those who wait for a round that has not begun yet. */
  const waiting: (() => void)[] = [];

  const tell = (path: string, problem: string | undefined, isNew: boolean): void => {
    const before = status.find((one) => one.path === path);
    if (problem !== undefined && problem !== before?.message) log.warn({ path }, problem);
    if (isNew) log.info({ path }, `${path} is written`);
    if (problem === undefined) troubles.delete(path);
    const state = problem === undefined ? 'in-place' : 'failing';
    status = status.map((one) => (one.path === path ? { path, state, message: problem } : one));
  };

  /** By the fault of the file, or of the programs that are for it. */
  const fail = (path: string, problem: string, isNew: boolean): void => {
    const failures = (troubles.get(path)?.failures ?? 0) + 1;
    troubles.set(path, { failures, rest: Math.min(2 ** failures, seldomRounds) - 1 });
    tell(path, problem, isNew);
  };

  const isResting = (path: string): boolean => {
    const trouble = troubles.get(path);
    if (trouble === undefined || trouble.rest === 0) return false;
    troubles.set(path, { ...trouble, rest: trouble.rest - 1 });
    return true;
  };

  /** Those that are not as they are to be, or whose reload is due. */
  const differing = async (files: readonly FileConfig[]): Promise<readonly FileConfig[]> => {
    if (files.length === 0) return [];
    const accounts = await readAccounts(deps.files);
    const found: FileConfig[] = [];
    for (const file of files) {
      const { path } = file;
      const state = wantedState(file, accounts);
      const there = await deps.hostFiles.read(path).catch((error: unknown) => {
        // The writer would hang there too.
        if (hasCode(error, 'timeout')) tell(path, error.message, false);
        return hasCode(error, 'timeout') ? 'hangs' : undefined;
      });
      if (there === 'hangs') continue;
      const isThere = typeof state !== 'string' && there !== undefined && isSameFile(there, state);
      if (isThere && !due.has(path)) tell(path, undefined, false);
      else if (!isResting(path)) found.push(file);
    }
    return found;
  };

  const put = async (files: readonly FileConfig[], asked: readonly FileConfig[]): Promise<void> => {
    const before = due.paths();
    const others = before.filter((path) => !asked.some((file) => file.path === path));
    // Of one that is not wanted any more something may be left over.
    const later = others.filter((path) => files.some((file) => file.path === path));
    if (asked.length === 0 && later.length === others.length) return;
    let isTaken = false;
    const onTaken = (): void => void (isTaken = true);
    try {
      // Whoever dies from here on may have written it.
      await due.keep([...asked.map(({ path }) => path), ...others]);
      const { socketPath } = input;
      const question = { socketPath, files: asked, due: new Set(before), onTaken };
      const { results, refused } = await askWriter(deps, question, signal);
      if (refused !== undefined) {
        for (const { path } of asked) fail(path, `cannot write files: ${refused}`, false);
        await due.keep(before);
        return;
      }
      const stillDue = results.filter(({ reloadDue }) => reloadDue).map(({ path }) => path);
      await due.keep([...stillDue, ...later]);
      for (const { path, written, problem } of results) {
        if (problem === undefined) tell(path, problem, written);
        else fail(path, problem, written);
      }
    } catch (error) {
      signal.throwIfAborted();
      for (const { path } of asked) {
        if (isTaken) fail(path, messageOf(error), false);
        else tell(path, messageOf(error), false);
      }
      // Nothing was done: a reload that was not due is not.
      if (!isTaken) await due.keep(before);
    }
  };

  const round = async (): Promise<void> => {
    const files = wanted;
    let asked = files;
    try {
      asked = await differing(files);
      await put(files, asked);
    } catch (error) {
      signal.throwIfAborted();
      for (const { path } of asked) tell(path, messageOf(error), false);
    }
  };

  const pause = async (): Promise<void> => {
    sleep = new AbortController();
    const either = AbortSignal.any([signal, sleep.signal]);
    await clock.sleep(everyMs * (0.75 + random.next() / 2), either).catch(() => undefined);
    sleep = undefined;
    signal.throwIfAborted();
  };

  const loop = async (): Promise<never> => {
    await due.load();
    for (;;) {
      const before = status;
      if (again) troubles.clear();
      again = false;
      const heard = waiting.splice(0);
      await round();
      if (!isDeepStrictEqual(status, before)) deps.onStatus(status);
      for (const hear of heard) hear();
      if (!again) await pause();
    }
  };

  const look = (): void => {
    again = true;
    sleep?.abort();
    sleep = undefined;
  };

  /** Whether the next round to begin has ended in time. */
  const nextRound = async (withinMs: number): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    waiting.push(() => resolve(true));
    using deadline = clock.deadline(withinMs, signal);
    if (deadline.signal.aborted) return false;
    deadline.signal.addEventListener('abort', () => resolve(false), { once: true });
    return await promise;
  };

  const troubleOf = async (changed: readonly FileConfig[]): Promise<FileTrouble | undefined> => {
    const [first] = changed;
    if (first === undefined) return undefined;
    const withinMs = triedWithinMs + programsMs(changed);
    if (!(await nextRound(withinMs))) {
      const message = `${first.path} is not in place after ${withinMs / 1_000} s`;
      return { message, mayPass: true };
    }
    const bad = status.filter(
      ({ path, state }) => state !== 'in-place' && changed.some((file) => file.path === path),
    );
    const own = bad.find(({ path }) => troubles.has(path));
    const one = own ?? bad[0];
    if (one === undefined) return undefined;
    return {
      message: one.message ?? `${one.path} is not in place`,
      mayPass: own === undefined,
    };
  };

  const tried = nextRound(triedWithinMs).then(() => undefined);
  return {
    tried,
    run: () => {
      deps.onStatus(status);
      return loop();
    },
    change: (files) => {
      if (isDeepStrictEqual(files, wanted)) return Promise.resolve(undefined);
      const changed = files.filter((file) => !wanted.some((one) => isDeepStrictEqual(one, file)));
      const isSame = (path: string): boolean => !changed.some((file) => file.path === path);
      wanted = files;
      status = files.map(({ path }) =>
        isSame(path) ? (status.find((one) => one.path === path) ?? pending(path)) : pending(path),
      );
      deps.onStatus(status);
      look();
      return troubleOf(changed);
    },
    look,
  };
}

function pending(path: string): StatusFile {
  return { path, state: 'pending', message: undefined };
}
