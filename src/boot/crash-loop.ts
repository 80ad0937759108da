// Keeps a process that dies again and again from asking AWS again and again. systemd starts it after a second each time,
// since a first crash should cost no more; RestartSteps= would slow that down, but not before systemd 254.
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../system/clock.ts';
import type { Files } from '../system/files.ts';
import type { Random } from '../system/random.ts';
import { backoffMs, type Backoff } from '../system/retry.ts';

export type CrashLoop = {
  /** Resolves when this start may go on: at once, but for the fifth in a row and later. Throws the signal's reason. */
  wait(progress: (message: string) => void, signal: AbortSignal): Promise<void>;
  /** The process ends as it should. Never throws. */
  forget(): Promise<void>;
};

type Starts = {
  /** Deaths before this start, one soon after the other. */
  readonly deaths: number;
  readonly startedMs: number;
  readonly waitMs: number;
};

const free = 4;
const backoff: Backoff = { firstMs: 4_000, factor: 2, capMs: 90_000 };
/** Who has lived so long died of something else. */
const livedMs = 60_000;

/** `runtimeDir` survives a restart by systemd, and neither a stop nor a reboot. What fails there is logged only. */
export function createCrashLoop(
  deps: {
    readonly files: Files;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  },
  { runtimeDir }: { readonly runtimeDir: string },
): CrashLoop {
  const { files, clock, random, log } = deps;
  const path = join(runtimeDir, 'starts.json');
  const report = (error: unknown): undefined => {
    log.warn({ path }, `${messageOf(error)}; starts are not counted`);
  };
  let writing: Promise<void> = Promise.resolve();
  return {
    wait: async (progress, signal) => {
      const last = parseStarts(await files.readText(path).catch(report));
      const startedMs = clock.nowMs();
      // Nothing is known of a start in the future: the clock was set back since.
      const isSoon =
        last !== undefined &&
        last.startedMs <= startedMs &&
        startedMs < last.startedMs + last.waitMs + livedMs;
      const deaths = isSoon ? last.deaths + 1 : 0;
      const waitMs = deaths < free ? 0 : backoffMs(backoff, deaths - free + 1, random);
      const text = `${JSON.stringify({ deaths, startedMs, waitMs } satisfies Starts)}\n`;
      // Nobody waits for the disk.
      writing = files.writeAtomic(path, text, 0o600).catch(report);
      if (waitMs === 0) return;
      const seconds = Math.round(waitMs / 1000);
      progress(
        `berth died ${deaths} times, each time soon after its start: going on in ${seconds} s; see "journalctl -u berth"`,
      );
      await clock.sleep(waitMs, signal);
    },
    forget: async () => {
      await writing;
      await files.remove(path).catch(report);
    },
  };
}

/** undefined: nothing that counts. */
function parseStarts(text: string | undefined): Starts | undefined {
  try {
    const starts = JSON.parse(text ?? 'null') as Starts | null;
    const numbers = [starts?.deaths, starts?.startedMs, starts?.waitMs];
    return numbers.every(Number.isFinite) ? starts! : undefined;
  } catch {
    return undefined;
  }
}
