// Log files in a folder of their own, the local CloudWatch Logs over HTTP, and shipping between them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { LogsConfig, LogSource } from '../../src/model/logs.ts';
import { startShipping, type ShipDeps, type Shipping } from '../../src/ship/ship.ts';
import type { AwsAccess } from '../../src/system/aws.ts';
import { systemClock, type Clock } from '../../src/system/clock.ts';
import { systemFiles } from '../../src/system/files.ts';
import { systemLines } from '../../src/system/lines.ts';
import { systemLogFiles } from '../../src/system/log-files.ts';
import { systemResolve } from '../../src/system/resolve.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { logsConfig, logSource } from '../fixtures/log-source.ts';
import { scratch } from '../lab/environment.ts';
import type { Front } from '../lab/front.ts';
import { createJudgedFront } from '../lab/judged-front.ts';
import { createLogsService, type LabLogs } from '../lab/logs.ts';
import { AwsFault, type LabCall } from '../lab/service.ts';

export type RigOptions = {
  /** Of CloudWatch. */
  readonly labClock?: Clock;
  /** It refuses what is signed further off its clock than this. */
  readonly maxSkewMs?: number;
  /** Groups that nobody may touch. */
  readonly deniedGroups?: readonly string[];
  /** An AWS that somebody else keeps. Default: one that takes any keys. */
  readonly aws?: { readonly front: Front; readonly logs: LabLogs; readonly access: AwsAccess };
  /** How much faster berth waits. */
  readonly haste?: number;
};

export type StartOptions = {
  readonly sources?: readonly LogSource[];
  readonly forceFlushMs?: number;
  readonly logs?: Partial<LogsConfig>;
  readonly deps?: Partial<ShipDeps>;
};

export type Rig = AsyncDisposable & {
  readonly folder: string;
  readonly stateDir: string;
  readonly front: Front;
  readonly logs: LabLogs;
  readonly log: MemoryLog;
  path(name: string): string;
  source(pattern: string, group?: string, stream?: string, more?: Partial<LogSource>): LogSource;
  start(options?: StartOptions): Shipping;
  /** Ends shipping; fails if that takes over 30 s. */
  stop(shipping: Shipping): Promise<void>;
  /** Messages that arrived, as a reader sees them: by their time, and then as they came. */
  arrived(group?: string, stream?: string): readonly string[];
  calls(action: string): readonly LabCall[];
  /** Waits until every line is there, then compares: `intact`, if they came in order and each once. */
  delivery(lines: readonly string[], seen?: () => readonly string[]): Promise<Delivery>;
  deadLetters(): readonly Readonly<Record<string, unknown>>[];
  logged(): readonly unknown[];
};

export type Delivery = {
  /** The first ones, at most five. */
  readonly missing: readonly string[];
  readonly unwritten: readonly string[];
  /** The first line that came, for the first time, before one that was written earlier. */
  readonly misplaced: string | undefined;
  readonly repeats: number;
};

export const intact: Delivery = { missing: [], unwritten: [], misplaced: undefined, repeats: 0 };

export const instanceId = 'i-0123456789abcdef0';
export const credentials = {
  accessKeyId: 'AKIALAB',
  secretAccessKey: 'secret',
  sessionToken: 'token',
};
const waitMs = 60_000;

export async function createRig(options: RigOptions = {}): Promise<Rig> {
  const folder = mkdtempSync(join(scratch, 'berth-ship-'));
  const stateDir = join(folder, 'state');
  const { front, logs, access } = options.aws ?? (await ownAws(options));
  process.env['AWS_ENDPOINT_URL'] = front.endpoint;
  const log = createMemoryLog();
  const started: Shipping[] = [];
  const path = (name: string): string => join(folder, name);
  const source: Rig['source'] = (pattern, group = 'app', stream = 'i-1', more = {}) =>
    logSource({ filePath: path(pattern), logGroupName: group, logStreamName: stream, ...more });
  const arrived = (group = 'app', stream = 'i-1'): readonly string[] =>
    logs
      .events(group, stream)
      .toSorted((a, b) => a.timestamp - b.timestamp)
      .map(({ message }) => message);

  return {
    folder,
    stateDir,
    front,
    logs,
    log,
    path,
    source,
    arrived,
    start: ({ sources = [source('app.log')], forceFlushMs = 50, logs = {}, deps } = {}) => {
      const shipping = startShipping(
        {
          clock: createHastyClock(options.haste ?? 20),
          random: createSeededRandom(1),
          files: systemFiles,
          logFiles: systemLogFiles,
          resolve: systemResolve,
          lines: systemLines,
          log,
          ...deps,
        },
        {
          logs: logsConfig({ sources, forceFlushMs, ...logs }),
          instanceId,
          stateDir,
          agentState: join(folder, 'agent-state'),
          access,
        },
        new AbortController().signal,
      );
      started.push(shipping);
      return shipping;
    },
    stop: async (shipping) => {
      await shipping.stop(AbortSignal.timeout(30_000));
    },
    calls: (action) => front.calls.filter((call) => call.action === action),
    delivery: async (lines, seen = arrived) => {
      const missing = (): readonly string[] => {
        const there = new Set(seen());
        return lines.filter((line) => !there.has(line)).slice(0, 5);
      };
      await vi
        .waitFor(() => expect(missing()).toEqual([]), { timeout: waitMs, interval: 20 })
        .catch(() => undefined);
      const all = seen();
      const wanted = new Set(lines);
      const first = [...new Set(all)];
      return {
        missing: missing(),
        unwritten: all.filter((line) => !wanted.has(line)).slice(0, 5),
        misplaced: first.find((line, index) => line !== lines[index]),
        repeats: all.length - first.length,
      };
    },
    deadLetters: () => {
      try {
        return readFileSync(join(stateDir, instanceId, 'dead-letters.jsonl'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Record<string, unknown>);
      } catch {
        return [];
      }
    },
    logged: () => log.lines.map(({ msg }) => msg),
    [Symbol.asyncDispose]: async () => {
      front.clearFaults();
      const now = AbortSignal.abort(new Error('the test is over'));
      await Promise.allSettled(started.map((shipping) => shipping.stop(now)));
      if (options.aws === undefined) await front[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ownAws({ labClock = systemClock, maxSkewMs, deniedGroups = [] }: RigOptions) {
  const logs = createLogsService({
    clock: labClock,
    arnPrefix: 'arn:aws:logs:eu-west-1:111122223333:log-group:',
  });
  const front = await createJudgedFront({
    host: '127.0.0.1',
    port: 0,
    clock: maxSkewMs === undefined ? systemClock : labClock,
    ...(maxSkewMs === undefined ? {} : { maxSkewMs }),
    services: { logs },
    identify: () => ({ instanceId, instanceArn: undefined }),
    authorize: (_service, { input }) => {
      if (deniedGroups.includes(String(input['logGroupName']))) {
        throw new AwsFault(400, 'AccessDeniedException', 'not authorized');
      }
    },
  });
  const access: AwsAccess = {
    region: 'eu-central-1',
    credentials: async () => ({ ...credentials, expiresAtMs: Date.now() + 3_600_000 }),
  };
  return { front, logs, access };
}

/** Unique lines, so that order and repeats can be seen. */
export function numbered(from: number, count: number, prefix = 'line'): readonly string[] {
  return Array.from(
    { length: count },
    (_, index) => `${prefix} ${String(from + index).padStart(7, '0')}`,
  );
}

export function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
