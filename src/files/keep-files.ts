// Keeps the files of the configuration as they are to be: looks at each, and asks the writer only where one differs.
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { FileConfig, StatusFile } from '../model.ts';
import type { Files } from '../system/files.ts';
import { isSameFile, type HostFiles } from '../system/host-files.ts';
import type { Random } from '../system/random.ts';
import { askWriter, type AskWriterDeps } from './ask-writer.ts';
import type { DueReloads } from './due-reloads.ts';
import type { WriteResult } from './request.ts';
import { readAccounts, wantedState } from './wanted-state.ts';

export type KeepFilesDeps = AskWriterDeps & {
  readonly random: Random;
  readonly log: Log;
  readonly files: Pick<Files, 'readText'>;
  readonly hostFiles: HostFiles;
  readonly due: DueReloads;
  readonly onStatus: (files: readonly StatusFile[]) => void;
};

export type FileKeeper = {
  /** Resolves when the files of the start were tried once, or that took too long. Never rejects. */
  readonly tried: Promise<void>;
  /** Looks at them at once, then now and then. Ends by the signal's reason. */
  run(): Promise<never>;
  /** From now on these; they are looked at as soon as what is under way has ended. */
  change(files: readonly FileConfig[]): void;
  /** Somebody asked: looks at once, however often it went wrong. */
  look(): void;
};

/** Local reads only. */
const everyMs = 60_000;
/** Where it goes wrong again and again; a program that fails is no help to anybody each minute. */
const seldomMs = 600_000;
/** Somebody waits for ready. */
const triedWithinMs = 60_000;

export function createFileKeeper(
  deps: KeepFilesDeps,
  input: { readonly socketPath: string; readonly files: readonly FileConfig[] },
  signal: AbortSignal,
): FileKeeper {
  const { clock, random, log, due } = deps;
  let wanted = input.files;
  let status: readonly StatusFile[] = wanted.map(({ path }) => pending(path));
  /** Rounds in a row that left something to do. */
  let failures = 0;
  /** Something changed, or somebody asked, since the round that is under way began. */
  let again = false;
  /** undefined: a round is under way, or about to be. */
  let sleep: AbortController | undefined;
  const tried = Promise.withResolvers<void>();

  const tell = (path: string, problem: string | undefined, isNew: boolean): void => {
    const before = status.find((one) => one.path === path);
    if (problem !== undefined && problem !== before?.message) log.warn({ path }, problem);
    if (isNew) log.info({ path }, `${path} is written`);
    const state = problem === undefined ? 'in-place' : 'failing';
    status = status.map((one) => (one.path === path ? { path, state, message: problem } : one));
  };

  /** Of the round that is under way. */
  let asked: readonly FileConfig[] = [];

  /** Those that are not as they are to be, or whose reload is due. */
  const differing = async (files: readonly FileConfig[]): Promise<readonly FileConfig[]> => {
    if (files.length === 0) return [];
    const accounts = await readAccounts(deps.files);
    const found: FileConfig[] = [];
    for (const file of files) {
      const state = wantedState(file, accounts);
      const there = await deps.hostFiles.read(file.path).catch(() => undefined);
      const isThere = typeof state !== 'string' && there !== undefined && isSameFile(there, state);
      if (!isThere || due.has(file.path)) found.push(file);
      else tell(file.path, undefined, false);
    }
    return found;
  };

  /** Throws what the writer, the disk of the state folder and the signal have to say. */
  const put = async (files: readonly FileConfig[]): Promise<boolean> => {
    asked = await differing(files);
    // Of one that is not wanted any more something may be left over.
    const left = due.paths().filter((path) => !files.some((file) => file.path === path));
    if (asked.length === 0 && left.length === 0) return true;
    const before = new Set(due.paths());
    // What dies from here on may have written it.
    await due.keep([...asked.map(({ path }) => path), ...left]);
    const question = { socketPath: input.socketPath, files: asked, due: before };
    const { results, refused } = await askWriter(deps, question, signal);
    if (refused !== undefined) throw new Error(`cannot write files: ${refused}`);
    await due.keep(results.filter(({ reloadDue }) => reloadDue).map(({ path }) => path));
    for (const result of results) hear(result);
    return results.every(({ problem }) => problem === undefined);
  };

  /** Returns whether all is in place. */
  const round = async (): Promise<boolean> => {
    const files = wanted;
    asked = files;
    try {
      return await put(files);
    } catch (error) {
      signal.throwIfAborted();
      for (const { path } of asked) tell(path, messageOf(error), false);
      return false;
    }
  };
  const hear = ({ path, written, problem }: WriteResult): void => tell(path, problem, written);

  const pause = async (): Promise<void> => {
    const againMs = Math.min(everyMs * 2 ** failures, seldomMs);
    sleep = new AbortController();
    const either = AbortSignal.any([signal, sleep.signal]);
    await clock.sleep(againMs * (0.75 + random.next() / 2), either).catch(() => undefined);
    sleep = undefined;
    signal.throwIfAborted();
  };

  const loop = async (): Promise<never> => {
    await due.load();
    for (;;) {
      const before = status;
      again = false;
      failures = (await round()) ? 0 : failures + 1;
      if (!isDeepStrictEqual(status, before)) deps.onStatus(status);
      tried.resolve();
      if (!again) await pause();
    }
  };

  const look = (): void => {
    again = true;
    failures = 0;
    sleep?.abort();
    sleep = undefined;
  };

  const late = async (): Promise<void> => {
    await clock.sleep(triedWithinMs, signal).catch(() => undefined);
    tried.resolve();
  };

  return {
    tried: tried.promise,
    run: () => {
      deps.onStatus(status);
      void late();
      return loop();
    },
    change: (files) => {
      if (isDeepStrictEqual(files, wanted)) return;
      wanted = files;
      status = files.map(({ path }) => status.find((one) => one.path === path) ?? pending(path));
      deps.onStatus(status);
      look();
    },
    look,
  };
}

function pending(path: string): StatusFile {
  return { path, state: 'pending', message: undefined };
}
