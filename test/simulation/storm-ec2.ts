// EC2 for thousands of instances in one process: one account, its token buckets, one pool; counts every call.
import { classifyEc2Error } from '../../src/claim/ec2-errors.ts';
import type { AttachInput, Ec2 } from '../../src/claim/ec2.ts';
import { tagKeys } from '../../src/claim/tags.ts';
import type { Eni } from '../../src/model/eni.ts';
import type { Clock } from '../../src/system/clock.ts';
import type { Random } from '../../src/system/random.ts';
import { eniOf } from '../fixtures/claim-world.ts';
import { ec2Buckets } from '../lab/ec2-buckets.ts';
import { createTokenBuckets } from '../lab/token-buckets.ts';

export const stormPool = 'storm';

export type Action =
  | 'DescribeNetworkInterfaces'
  | 'DescribeInstances'
  | 'CreateTags'
  | 'DeleteTags'
  | 'AttachNetworkInterface';

export type Tally = {
  /** Answered, a denial or an ENI in use too: each took a token. */
  readonly accepted: Record<Action, number>;
  readonly throttled: Record<Action, number>;
  /** Attaches that EC2 refused: in use, or not ours by tag. */
  wastedAttaches: number;
  /** Claims that the guard refused. */
  deniedClaims: number;
  /** Times at which an instance had two of the pool. */
  doubleHolds: number;
};

export type StormEc2 = {
  readonly tally: Tally;
  readonly portOf: (instanceId: string) => Ec2;
  /** The same for a program without IAM's guard: it attaches what it likes. */
  readonly unguardedPortOf: (instanceId: string) => Ec2;
  readonly enis: () => readonly Eni[];
  /** One page of the pool, for those who page for themselves; empty: that was all. */
  readonly page: (from: number, signal: AbortSignal) => Promise<readonly Eni[]>;
  /** Resolves when the kernel shows the device of an ENI that is attached to this instance. */
  readonly device: (instanceId: string, mac: string, signal: AbortSignal) => Promise<void>;
  /** As after a release: detached, and nobody's. */
  readonly free: (eniId: string) => void;
  readonly launched: (instanceId: string) => void;
  /** Called with an ENI's id when EC2 accepts its attach. */
  onAttach: (eniId: string, instanceId: string) => void;
};

export type StormEc2Options = {
  readonly clock: Clock;
  readonly random: Random;
  readonly enis: number;
  /** Size of the token buckets: 1 is that of claim.md section 4. */
  readonly bucketScale: number;
};

/** A good day of AWS, as in test/lab/bench-boot.ts; each call takes three quarters to five quarters of it. */
const callMs = { describe: 150, tag: 250, attach: 600, throttled: 40 };
const attachedMs = 1_000;
export const pageSize = 1_000;

const codes = {
  throttled: ['RequestLimitExceeded', 503],
  denied: ['UnauthorizedOperation', 403],
  inUse: ['InvalidNetworkInterface.InUse', 400],
  indexTaken: ['InvalidParameterValue', 400],
} as const;

export function createStormEc2(options: StormEc2Options): StormEc2 {
  const { clock, random, bucketScale } = options;
  const buckets = createTokenBuckets(clock, ec2Buckets);
  const ids = Array.from({ length: options.enis }, () => newId('eni', random)).toSorted();
  const index = new Map(ids.map((eniId, n) => [eniId, n]));
  const enis: Eni[] = ids.map((eniId, n) =>
    eniOf({
      eniId,
      mac: `02:00:00:${hex(n >> 16)}:${hex((n >> 8) & 255)}:${hex(n & 255)}`,
      ipv4: [`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`],
      tags: { [tagKeys.pool]: stormPool },
    }),
  );
  const byEnd = new Map<string, number[]>();
  for (const [n, eniId] of ids.entries()) {
    for (const end of [eniId.slice(-1), eniId.slice(-2)])
      byEnd.set(end, [...(byEnd.get(end) ?? []), n]);
  }
  /** The ENI that an instance holds, and since when. */
  const held = new Map<string, { readonly eniId: string; readonly atMs: number }>();
  const running: string[] = [];
  const tally: Tally = {
    accepted: zero(),
    throttled: zero(),
    wastedAttaches: 0,
    deniedClaims: 0,
    doubleHolds: 0,
  };
  const change = (n: number, what: Partial<Eni>): void => {
    enis[n] = { ...enis[n]!, ...what };
  };
  async function send<T>(
    action: Action,
    bucket: keyof typeof ec2Buckets,
    ms: number,
    work: () => T,
    signal: AbortSignal,
  ): Promise<T> {
    await clock.sleep(half(ms, random), signal);
    try {
      if (!buckets.take(bucket, bucketScale)) {
        tally.throttled[action]++;
        await clock.sleep(callMs.throttled, signal);
        throw refusal('throttled');
      }
      tally.accepted[action]++;
      let result: T;
      try {
        result = work();
      } catch (error) {
        await clock.sleep(half(ms, random), signal);
        throw error;
      }
      await clock.sleep(half(ms, random), signal);
      return result;
    } catch (error) {
      signal.throwIfAborted();
      throw classifyEc2Error(`ec2:${action}`, error);
    }
  }

  const describe = <T>(work: () => T, signal: AbortSignal): Promise<T> =>
    send('DescribeNetworkInterfaces', 'filtered', callMs.describe, work, signal);

  const ownerOf = (eniId: string): string | undefined =>
    enis[index.get(eniId)!]!.tags[tagKeys.owner];

  function createPort(instanceId: string, isGuarded: boolean): Ec2 {
    const me = eniOwner(instanceId);
    const mine = new Set<string>();
    return {
      describePool: async (_pool, signal) => {
        const all: Eni[] = [];
        do {
          const from = all.length;
          all.push(...(await describe(() => enis.slice(from, from + pageSize), signal)));
        } while (all.length < enis.length);
        return all;
      },
      describePart: (_pool, { idEnd, available }, signal) =>
        describe(() => {
          const chosen = idEnd === undefined ? enis : (byEnd.get(idEnd) ?? []).map((n) => enis[n]!);
          const found = available ? chosen.filter(({ status }) => status === 'available') : chosen;
          return found.slice(0, pageSize);
        }, signal),
      describeClaimed: (owner, signal) =>
        describe(
          () =>
            [...mine]
              .map((eniId) => enis[index.get(eniId)!]!)
              .filter((eni) => eni.tags[tagKeys.owner] === owner),
          signal,
        ),
      describeEni: (eniId, signal) => describe(() => enis[index.get(eniId)!], signal),
      countInstances: ({ idEnd, most }, signal) =>
        send(
          'DescribeInstances',
          'filtered',
          callMs.describe,
          () => {
            const found = running.filter((id) => id.endsWith(idEnd));
            return { count: Math.min(most, found.length), isCut: found.length > most };
          },
          signal,
        ),
      createClaim: (eniId, owner, claim, signal) =>
        send(
          'CreateTags',
          'tags',
          callMs.tag,
          () => {
            const now = ownerOf(eniId);
            if (now !== undefined && now !== me) {
              tally.deniedClaims++;
              throw refusal('denied');
            }
            const n = index.get(eniId)!;
            mine.add(eniId);
            change(n, {
              tags: { ...enis[n]!.tags, [tagKeys.owner]: owner, [tagKeys.claim]: claim },
            });
          },
          signal,
        ),
      deleteClaim: (eniId, owner, signal) =>
        send(
          'DeleteTags',
          'tags',
          callMs.tag,
          () => {
            if (ownerOf(eniId) !== owner) throw refusal('denied');
            const n = index.get(eniId)!;
            const { [tagKeys.owner]: _gone, ...tags } = enis[n]!.tags;
            change(n, { tags });
          },
          signal,
        ),
      attach: (input, signal) =>
        send(
          'AttachNetworkInterface',
          'lifecycle',
          callMs.attach,
          () => attach(input, isGuarded),
          signal,
        ),
      describeInstance: (_id, signal) =>
        send(
          'DescribeInstances',
          'filtered',
          callMs.describe,
          () => ({
            state: 'running',
            attachments: [],
            privateIpv4: undefined,
            tags: {},
            profileArn: 'arn:aws:iam::123456789012:instance-profile/berth',
          }),
          signal,
        ),
      describeHealth: nothing,
      describeLimits: nothing,
      describeSubnet: nothing,
      keepOnTermination: nothing,
      detach: nothing,
      forceDetach: nothing,
      stop: nothing,
      rehearse: nothing,
    };
  }

  const refuse = (error: Error): never => {
    tally.wastedAttaches++;
    throw error;
  };

  function attach({ eniId, instanceId, deviceIndex }: AttachInput, isGuarded: boolean): string {
    const n = index.get(eniId)!;
    const eni = enis[n]!;
    if (isGuarded && eni.tags[tagKeys.owner] !== eniOwner(instanceId)) refuse(refusal('denied'));
    if (eni.attachment !== undefined) refuse(refusal('inUse'));
    if (held.has(instanceId)) {
      tally.doubleHolds++;
      refuse(refusal('indexTaken', 'already has an interface attached at device index'));
    }
    const attachmentId = eniId.replace('eni', 'eni-attach');
    change(n, {
      status: 'in-use',
      attachment: {
        attachmentId,
        instanceId,
        deviceIndex,
        networkCardIndex: 0,
        status: 'attached',
        deleteOnTermination: false,
        attachedAt: undefined,
      },
    });
    held.set(instanceId, { eniId, atMs: clock.monotonicMs() });
    ec2.onAttach(eniId, instanceId);
    return attachmentId;
  }

  const ec2: StormEc2 = {
    tally,
    portOf: (instanceId) => createPort(instanceId, true),
    unguardedPortOf: (instanceId) => createPort(instanceId, false),
    enis: () => enis,
    page: (from, signal) => describe(() => enis.slice(from, from + pageSize), signal),
    device: async (instanceId, mac, signal) => {
      for (;;) {
        const now = held.get(instanceId);
        const dueMs = now === undefined ? undefined : now.atMs + attachedMs;
        if (dueMs === undefined || enis[index.get(now!.eniId)!]!.mac !== mac) {
          await clock.sleep(500, signal);
          continue;
        }
        const leftMs = dueMs - clock.monotonicMs();
        if (leftMs > 0) await clock.sleep(leftMs, signal);
        return;
      }
    },
    free: (eniId) => {
      const n = index.get(eniId)!;
      const { [tagKeys.owner]: _gone, ...tags } = enis[n]!.tags;
      held.delete(enis[n]!.attachment!.instanceId!);
      change(n, { status: 'available', attachment: undefined, tags });
    },
    launched: (instanceId) => void running.push(instanceId),
    onAttach: () => undefined,
  };
  return ec2;
}

function refusal(kind: keyof typeof codes, text: string = kind): Error {
  const [name, status] = codes[kind];
  return Object.assign(new Error(text), { name, $metadata: { httpStatusCode: status } });
}

const nothing = (): Promise<never> => Promise.reject(new Error('not part of the storm'));

/** There, or back. */
function half(ms: number, random: Random): number {
  return (ms / 2) * (0.75 + random.next() / 2);
}

export function newId(prefix: string, random: Random): string {
  return `${prefix}-0${random.uuid().replaceAll('-', '').slice(-16)}`;
}

function eniOwner(instanceId: string): string {
  return `arn:aws:ec2:eu-central-1:123456789012:instance/${instanceId}`;
}

function zero(): Record<Action, number> {
  return {
    DescribeNetworkInterfaces: 0,
    DescribeInstances: 0,
    CreateTags: 0,
    DeleteTags: 0,
    AttachNetworkInterface: 0,
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
