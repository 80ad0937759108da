// The configuration while berth runs: looked at again, judged whole, and taken or refused; the old one goes on until then.
import { isDeepStrictEqual } from 'node:util';
import type { ConfigReader } from './boot/boot.ts';
import { diffConfig } from './boot/diff-config.ts';
import { liveConfig } from './boot/live-config.ts';
import type { FetchedConfig } from './boot/load-config.ts';
import { BerthError, hasCode, messageOf } from './errors.ts';
import type { Log } from './log.ts';
import type { Config, ConfigSource, LoadedConfig, Rejected } from './model/config.ts';
import type { Clock } from './system/clock.ts';
import type { Random } from './system/random.ts';
import type { StatusBoard } from './tell/status-board.ts';
import type { Systemd } from './tell/systemd.ts';

export type ReloadDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly board: Pick<StatusBoard, 'update'>;
  readonly systemd: Pick<Systemd, 'reloading' | 'processUp'>;
  readonly reader: ConfigReader;
  /** Goes over to it. Throws where a stage does not get going with it: then all goes on as before. */
  readonly apply: (config: Config) => Promise<void>;
};

export type Reload = {
  /**
   * Looks at once, after what is under way. Returns a sentence for people. Throws why the newest configuration is not
   * used.
   */
  now(): Promise<string>;
  /** What `now` would take, for people, and nothing is changed. Throws why it would be refused. */
  check(): Promise<string>;
  /** Asks Parameter Store now and then. Ends by the signal's reason. */
  poll(): Promise<never>;
};

/** A tree of parameters is not written at once: two looks in a row have to see the same. */
const settleMs = 5_000;
const maxLooks = 12;
/** With the last good copy; doubled until it is as seldom as the configuration says. */
const soonMs = 60_000;

export function createReload(deps: ReloadDeps, booted: LoadedConfig, signal: AbortSignal): Reload {
  const { clock, random, log, board, systemd, reader } = deps;
  let { config, source, value } = booted;
  /** Of the newest that was looked at, whatever came of it. */
  let seen: unknown = keyOf(booted);
  let { rejected } = booted;
  let restartNeeded: readonly string[] = [];
  /** Why Parameter Store could not be asked. */
  let trouble: string | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  /** Not begun yet: whoever asks meanwhile gets its answer. */
  let next: Promise<string> | undefined;

  const tell = (): void => board.update({ config: { ...source, rejected, restartNeeded } });

  const reject = (version: ConfigSource['version'], error: unknown): never => {
    const now: Rejected = { version, reason: messageOf(error) };
    if (!isDeepStrictEqual(now, rejected)) {
      log.error(
        { version },
        `the new configuration is not used, the old one goes on: ${now.reason}`,
      );
    }
    rejected = now;
    tell();
    throw error;
  };

  const fetch = async (): Promise<FetchedConfig> => {
    try {
      const fetched = await reader.fetch(signal);
      if (trouble !== undefined) log.info('the configuration can be looked at again');
      trouble = undefined;
      return fetched;
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, 'config-invalid', 'config-missing')) {
        // What comes back is looked at, also if it is what was there before.
        seen = undefined;
        return reject(undefined, error);
      }
      const message = messageOf(error);
      if (message !== trouble) log.warn(`${message}; the configuration stays as it is`);
      trouble = message;
      throw error;
    }
  };

  const take = async (fetched: FetchedConfig): Promise<string> => {
    seen = keyOf(fetched);
    const { version } = fetched.source;
    try {
      const loaded = await reader.judge(fetched, signal);
      const live = liveConfig(config, loaded.config);
      const changes = diffConfig(value, loaded.value);
      const isSame = isDeepStrictEqual(live.config, config);
      if (!isSame || changes.length > 0) log.info({ version, changes }, 'a new configuration');
      if (live.restartNeeded.length > 0) log.warn(needed(live.restartNeeded));
      if (!isSame) await apply(live.config);
      const isNews = changes.length > 0 || !isDeepStrictEqual(live, { config, restartNeeded });
      ({ config, restartNeeded } = live);
      ({ source, value } = loaded);
      rejected = undefined;
      tell();
      await fetched.keep();
      const what = nameOf(source);
      if (isNews) log.info({ version }, `${what} is in force`);
      const rest = restartNeeded.length > 0 ? `; ${needed(restartNeeded)}` : '';
      return `${what}${isNews ? ' is in force' : ' is what berth runs with'}${rest}`;
    } catch (error) {
      signal.throwIfAborted();
      // What may pass is tried again at the next look.
      if (error instanceof BerthError && error.retryable) seen = undefined;
      return reject(version, error);
    }
  };

  const apply = async (wanted: Config): Promise<void> => {
    systemd.reloading();
    try {
      await deps.apply(wanted);
    } finally {
      systemd.processUp();
    }
  };

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };

  const now = (): Promise<string> =>
    (next ??= inTurn(async () => {
      next = undefined;
      return take(await fetch());
    }));

  const check = (): Promise<string> =>
    inTurn(async () => {
      const loaded = await reader.judge(await reader.fetch(signal), signal);
      const changes = diffConfig(value, loaded.value);
      const live = liveConfig(config, loaded.config);
      const what = nameOf(loaded.source);
      if (changes.length === 0 && isDeepStrictEqual(live, { config, restartNeeded }))
        return `${what} is what berth runs with`;
      const rest = live.restartNeeded.length > 0 ? [needed(live.restartNeeded)] : [];
      return [`${what} would be taken`, ...changes, ...rest].join('\n');
    });

  /** Returns whether there is something new, once it stays as it is. */
  const settled = async (): Promise<boolean> => {
    let before = keyOf(await fetch());
    if (isDeepStrictEqual(before, seen)) return false;
    for (let looks = 1; looks < maxLooks; looks++) {
      await clock.sleep(settleMs, signal);
      const again = keyOf(await fetch());
      if (isDeepStrictEqual(again, before)) break;
      before = again;
    }
    return true;
  };

  /** Of a fleet that booted without Parameter Store not all look at the same time. */
  const untilNextMs = (looks: number): number => {
    const { everyMs } = config.reload;
    if (!source.lastKnownGood) return everyMs * (1 + random.next());
    if (looks === 0) return soonMs * random.next();
    return Math.min(soonMs * 2 ** (looks - 1), everyMs) * (1 + random.next());
  };

  tell();
  return {
    now,
    check,
    poll: async () => {
      for (let looks = 0; ; looks++) {
        await clock.sleep(untilNextMs(looks), signal);
        try {
          if (await settled()) await now();
        } catch {
          // Said where it happened.
          signal.throwIfAborted();
        }
      }
    },
  };
}

function keyOf({ source, value }: Pick<FetchedConfig, 'source' | 'value'>): unknown {
  return [source.version, source.lastKnownGood, typeof value === 'string' ? parsed(value) : value];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return text;
  }
}

function nameOf({ name, version }: LoadedConfig['source']): string {
  return `the configuration from ${name}${version === undefined ? '' : `, version ${version}`}`;
}

function needed(keys: readonly string[]): string {
  return `restart needed for: ${keys.join(', ')}`;
}
