// What every checker gets: the facts as they happen, the truth of EC2 and of the kernels, and what each process has read.
import { tagKeys } from '../../../src/claim/tags.ts';
import { lagMs } from '../../../src/claim/calls.ts';
import type { Eni } from '../../../src/model/eni.ts';
import { instanceTypeOf } from '../../lab/ec2-instance-types.ts';
import type { LabAttachment, LabEni } from '../../lab/ec2-world.ts';
import type { Call, Fact } from '../facts.ts';
import type { Host } from '../host.ts';
import type { World } from '../world.ts';

/** As in claim.md section 7. */
export type Invariant =
  | 'S1'
  | 'S2'
  | 'S3'
  | 'S4'
  | 'S5'
  | 'S6'
  | 'S7'
  | 'S8'
  | 'S9'
  | 'S10'
  | 'S11'
  | 'S12'
  | 'L1'
  | 'L2'
  | 'L3'
  | 'L4'
  | 'L5';

export type Checker = {
  readonly see?: (fact: Fact) => void;
  /** After the liveness phase: what is wrong with the fleet as it is now. */
  readonly judge?: (fail: Fail) => void;
};

export type Fail = (invariant: Invariant, why: string) => void;

export type CheckerDeps = {
  readonly world: World;
  readonly fail: Fail;
  readonly reads: Reads;
};

export type AttachedEni = LabEni & { readonly attachment: LabAttachment };

/** ENIs of a pool that are attached to a host, but for what is leaving it. The primary is none of a pool. */
export function heldBy(
  { model }: World,
  { instanceId }: Host,
  pool?: string,
): readonly AttachedEni[] {
  const held: AttachedEni[] = [];
  for (const eni of model.world.enis.ago(0).values()) {
    if (eni.attachment?.instanceId !== instanceId || eni.attachment.status === 'detaching')
      continue;
    const of = eni.tags[tagKeys.pool];
    if (of !== undefined && (pool === undefined || of === pool)) held.push(eni as AttachedEni);
  }
  return held;
}

export function hostOf(world: World, instanceId: string | undefined): Host | undefined {
  return world.hosts.find((host) => host.instanceId === instanceId);
}

/** By the value of the owner tag. */
export function hostOfArn(world: World, arn: string | undefined): Host | undefined {
  return world.hosts.find((host) => host.arn === arn);
}

/**
 * Is there no place for one more ENI? Its own pools may fill an instance beside what a person attached; that a pool
 * takes more than its one is the business of S1.
 */
export function isFull(world: World, host: Host): boolean {
  const most = instanceTypeOf(world.plan.instanceType).networkCards[0]!;
  const attached = [...world.model.world.enis.ago(0).values()].filter(
    (eni) => eni.attachment?.instanceId === host.instanceId,
  );
  return attached.length >= most;
}

/** What a process knows of ENIs: what the last Describe of each told it. */
export type Reads = {
  readonly see: (fact: Fact) => void;
  /** undefined: this life has not read it. */
  read(host: Host, eniId: string): Eni | undefined;
  /** The protocol rests on reads that are no older than its lag; two that are older, or omit an ENI, may deceive it. */
  isDeceived(host: Host): boolean;
  /** One is enough for what EC2 itself refuses. */
  isMisled(host: Host): boolean;
};

/** Reads lag by 5 s at most as a rule (claim.md section 7). */
const mostLagMs = lagMs - 500;
const deceivedForMs = 90_000;

export function createReads(world: World): Reads {
  const known = new Map<Host, Map<string, Eni>>();
  const tooOld = new Map<Host, number[]>();
  return {
    see: (fact) => {
      if (fact.what === 'end') known.delete(fact.host);
      if (fact.what !== 'answer') return;
      const { host, method, target } = fact.call;
      const isOmitted =
        method === 'describeEni' &&
        fact.enis?.length === 0 &&
        world.model.eni(target) !== undefined;
      const before = tooOld.get(host) ?? [];
      // One omission may take several reads, and is one bad read to who waits out the lag.
      const isSame = world.time.nowMs() - (before.at(-1) ?? -Infinity) < lagMs - 500;
      if (fact.lagMs > mostLagMs || (isOmitted && !isSame)) {
        tooOld.set(host, [...before.slice(-1), world.time.nowMs()]);
      }
      if (fact.enis === undefined) return;
      const enis = known.get(host) ?? new Map<string, Eni>();
      known.set(host, enis);
      for (const eni of fact.enis) enis.set(eni.eniId, eni);
    },
    read: (host, eniId) => known.get(host)?.get(eniId),
    isMisled: (host) =>
      world.time.nowMs() - (tooOld.get(host)?.at(-1) ?? -Infinity) < deceivedForMs,
    isDeceived: (host) => {
      const times = tooOld.get(host) ?? [];
      return times.length > 1 && world.time.nowMs() - times[0]! < deceivedForMs;
    },
  };
}

/** Calls arrive twice now and then; an intent counts once. */
export function createOnce(): (call: Call) => boolean {
  let seen = new Set<number>();
  return (call) => {
    if (seen.has(call.id)) return false;
    if (seen.size > 1_000) seen = new Set();
    seen.add(call.id);
    return true;
  };
}
