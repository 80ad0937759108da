// What AWS says is about to happen to this instance, out of IMDS (imds.md section 2): looked at each five seconds, as the
// guide advises for spot/instance-action.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Notice } from '../model/instance.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import type { Imds } from './imds.ts';

export type NoticesInput = {
  /** Asked before each look. */
  readonly isWanted: () => boolean;
  readonly onChange: (notices: readonly Notice[]) => void;
};

export type NoticeDeps = { readonly clock: Clock; readonly random: Random; readonly log: Log };

const paths = {
  spot: 'meta-data/spot/instance-action',
  rebalance: 'meta-data/events/recommendations/rebalance',
  termination: 'meta-data/autoscaling/target-lifecycle-state',
  maintenance: 'meta-data/events/maintenance/scheduled',
} as const;

/** What has a path of its own. */
type Source = keyof typeof paths;

/** From the beginning of one look to that of the next. */
const everyMs = 4_000;
const jitterMs = 1_000;

/**
 * `onChange` hears all that are in force whenever they change. A path that cannot be read says nothing new, is said once in
 * the log, and holds up no other: each is asked once a look, and its answer counts at once. Ends by the signal's reason.
 */
export async function watchNotices(
  deps: NoticeDeps,
  imds: Imds,
  { isWanted, onChange }: NoticesInput,
  signal: AbortSignal,
): Promise<never> {
  const { clock, random, log } = deps;
  const kinds = Object.keys(paths) as Source[];
  const known = new Map<Source, readonly Notice[]>();
  const failing = new Set<Source>();
  let told = '[]';

  const publish = (): void => {
    const notices = kinds.flatMap((kind) => known.get(kind) ?? []);
    const text = JSON.stringify(notices);
    if (text === told) return;
    told = text;
    onChange(notices);
  };

  const look = async (kind: Source): Promise<void> => {
    using deadline = clock.deadline(everyMs, signal);
    try {
      const text = await imds.tryText(paths[kind], deadline.signal);
      known.set(kind, text === undefined ? [] : parseNotices(kind, text));
      failing.delete(kind);
    } catch (error) {
      signal.throwIfAborted();
      if (!failing.has(kind))
        log.warn({ notice: kind }, `cannot read notices: ${messageOf(error)}`);
      failing.add(kind);
    }
    publish();
  };

  for (;;) {
    const nextMs = clock.monotonicMs() + everyMs + random.next() * jitterMs;
    if (isWanted()) await Promise.all(kinds.map(look));
    else known.clear();
    publish();
    await clock.sleep(Math.max(0, nextMs - clock.monotonicMs()), signal);
  }
}

/** Throws where the text is none of what the guide has. */
export function parseNotices(kind: Source, text: string): readonly Notice[] {
  switch (kind) {
    case 'termination':
      if (text === 'Terminated') {
        return [{ kind, message: 'Auto Scaling terminates this instance', at: undefined }];
      }
      // Of one that served: its group reuses instances. Another state is no notice: `InService`, `Standby`, ...
      return text.startsWith('Warmed:')
        ? [
            {
              kind: 'warm-pool',
              message: 'Auto Scaling takes this instance into its warm pool',
              at: undefined,
            },
          ]
        : [];
    case 'spot': {
      const { action, time } = objectOf(text);
      return [
        { kind, message: `EC2 is going to ${wordOf(action)} this Spot instance`, at: timeOf(time) },
      ];
    }
    case 'rebalance': {
      objectOf(text);
      const message = 'EC2 sees a higher risk that this Spot instance is interrupted';
      return [{ kind, message, at: undefined }];
    }
    default:
      return listOf(text)
        .filter(({ State }) => State === 'active')
        .map(({ Code, NotBefore }) => ({
          kind,
          message: `EC2 has scheduled: ${wordOf(Code)}`,
          at: timeOf(NotBefore),
        }));
  }
}

type Json = Readonly<Record<string, unknown>>;

function objectOf(text: string): Json {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw noNotice();
  return value as Json;
}

function listOf(text: string): readonly Json[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw noNotice();
  return value.filter((one): one is Json => typeof one === 'object' && one !== null);
}

function wordOf(value: unknown): string {
  if (typeof value !== 'string' || !/^[a-z-]{1,40}$/.test(value)) throw noNotice();
  return value;
}

/** ISO 8601 of a time in that form, or in the form of scheduled events. undefined: none that can be read. */
function timeOf(value: unknown): string | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

function noNotice(): Error {
  return new Error('that has the wrong form');
}
