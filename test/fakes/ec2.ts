// The port to EC2 over the lab's model, without a wire: faults, lags and authorization as a test dials them.
import type { Eni } from '../../src/model/eni.ts';
import { classifyEc2Error } from '../../src/claim/ec2-errors.ts';
import type { Ec2 } from '../../src/claim/ec2.ts';
import { tagKeys } from '../../src/claim/tags.ts';
import type { Clock } from '../../src/system/clock.ts';
import { profileArn as labProfileArn } from '../lab/ec2-lookup.ts';
import { instanceTypeOf } from '../lab/ec2-instance-types.ts';
import type { Ec2Model, Seen } from '../lab/ec2-model.ts';
import type { LabEni, Tags } from '../lab/ec2-world.ts';
import { AwsFault } from '../lab/service.ts';

export type Ec2Call = {
  readonly method: keyof Ec2;
  readonly instanceId: string;
  /** ENI, pool, subnet, instance or attachment: the first argument that names something. */
  readonly target: string;
  readonly deviceIndex?: number;
};

export type CallFault =
  | 'request-lost'
  /** It happened; the answer is lost. */
  | 'reply-lost'
  /** The caller dies: before the request leaves, or after it took effect. */
  | 'killed-before'
  | 'killed-after'
  | { readonly code: string; readonly message?: string; readonly status?: number };

/** Errors that EC2 answers, for `fault`. */
export const answers = {
  throttled: { code: 'RequestLimitExceeded', status: 503 },
  unavailable: { code: 'InternalError', status: 500 },
  denied: { code: 'UnauthorizedOperation', status: 403 },
} as const;

/** The next calls of these methods, one by one; undefined lets a call through. */
export function script(
  plan: Partial<Record<keyof Ec2, readonly (CallFault | undefined)[]>>,
): FakeEc2Dials['fault'] {
  const left = new Map(Object.entries(plan).map(([method, faults]) => [method, [...faults]]));
  return ({ method }) => left.get(method)?.shift();
}

/** Each is asked anew for every call. Default: none of it. */
export type FakeEc2Dials = {
  fault: (call: Ec2Call) => CallFault | undefined;
  /** Called where a request takes effect, just before. */
  arrives: (call: Ec2Call) => void;
  /** Half of it before the request takes effect. */
  latencyMs: (call: Ec2Call) => number;
  /** How old the state is that a Describe shows. */
  readLagMs: () => number;
  /** Between the check of the guard and the writing of the tag. */
  guardGapMs: () => number;
  /** Does a request on its way arrive, though its sender died? */
  arrivesAfterDeath: () => boolean;
  /** Does the role have takeover.json? */
  mayTakeOver: boolean;
};

export type FakeEc2 = Ec2 & { readonly calls: readonly Ec2Call[]; readonly dials: FakeEc2Dials };

export type FakeEc2Options = {
  readonly model: Ec2Model;
  readonly clock: Clock;
  readonly instanceId: string;
  readonly kill: () => void;
  readonly dials?: Partial<FakeEc2Dials>;
};

const clientTimeoutMs = 5_000;

/** Authorization is that of iam.md section 4: the owner tag, as it was `model.dials.authorizationLagMs` ago. */
export function createFakeEc2(options: FakeEc2Options): FakeEc2 {
  const { model, clock, instanceId } = options;
  const calls: Ec2Call[] = [];
  const dials: FakeEc2Dials = {
    fault: () => undefined,
    arrives: () => undefined,
    latencyMs: () => 100,
    readLagMs: () => 0,
    guardGapMs: () => 0,
    arrivesAfterDeath: () => false,
    mayTakeOver: false,
    ...options.dials,
  };

  async function send<T>(
    action: string,
    call: Omit<Ec2Call, 'instanceId'>,
    work: () => T | Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    const made: Ec2Call = { ...call, instanceId };
    calls.push(made);
    const fault = dials.fault(made);
    const take = async (): Promise<T> => {
      dials.arrives(made);
      return work();
    };
    try {
      if (fault === 'killed-before') options.kill();
      const halfMs = dials.latencyMs(made) / 2;
      try {
        await clock.sleep(halfMs, signal);
      } catch (error) {
        if (fault === undefined && dials.arrivesAfterDeath()) await take().catch(() => undefined);
        throw error;
      }
      if (typeof fault === 'object')
        throw new AwsFault(fault.status ?? 400, fault.code, fault.message ?? fault.code);
      if (fault === 'request-lost') await noAnswer(signal);
      const result = await take();
      if (fault === 'killed-after') options.kill();
      await clock.sleep(halfMs, signal);
      if (fault === 'reply-lost') await noAnswer(signal);
      return result;
    } catch (error) {
      signal.throwIfAborted();
      throw classifyEc2Error(`ec2:${action}`, asSdkError(error));
    }
  }

  async function noAnswer(signal: AbortSignal): Promise<never> {
    await clock.sleep(clientTimeoutMs, signal);
    throw Object.assign(new Error('no answer'), { name: 'TimeoutError' });
  }

  /** undefined: not there. */
  const snapshot = (): Seen => {
    model.dials.describeLagMs = dials.readLagMs();
    return model.seen();
  };
  const seen = (): readonly LabEni[] => snapshot().enis;
  const seenTagged = (key: string, value: string): readonly Eni[] =>
    seen()
      .filter((eni) => eni.tags[key] === value)
      .map(toEni);
  const authorized = (eniId: string): LabEni | undefined =>
    model.world.enis.ago(model.world.drawMs(model.dials.authorizationLagMs)).get(eniId);
  const authorize = (eniId: string, ...owners: readonly (string | undefined)[]): void => {
    if (model.eni(eniId) === undefined) return;
    const eni = authorized(eniId);
    if (eni === undefined || !owners.includes(eni.tags[tagKeys.owner])) deny();
  };
  /** The policy for failover comes with the tag (iam.md section 5). */
  const isOfMyGroup = (tags: Tags | undefined): boolean => {
    const group = model.instance(instanceId)?.tags[tagKeys.haGroup];
    return group !== undefined && tags?.[tagKeys.haGroup] === group;
  };
  const authorizeStop = (id: string): void => {
    if (id === instanceId || !isOfMyGroup(model.instance(id)?.tags)) deny();
  };
  const authorizeDetach = (attachmentId: string): void => {
    const eni = model.enis().find((eni) => eni.attachment?.attachmentId === attachmentId);
    if (eni === undefined) return;
    const holder = eni.attachment!.instanceId;
    const ofPeer = isOfMyGroup(eni.tags) && isOfMyGroup(model.instance(holder)?.tags);
    if (!ofPeer) authorize(eni.eniId, ...(holder === instanceId ? [me] : []));
  };
  const me = model.arnOf(instanceId);

  return {
    calls,
    dials,
    describePool: (pool, signal) =>
      send(
        'DescribeNetworkInterfaces',
        { method: 'describePool', target: pool },
        () => seenTagged(tagKeys.pool, pool),
        signal,
      ),
    describePart: (pool, { idEnd = '', available }, signal) =>
      send(
        'DescribeNetworkInterfaces',
        { method: 'describePart', target: pool },
        () =>
          seenTagged(tagKeys.pool, pool).filter(
            ({ eniId, status }) => eniId.endsWith(idEnd) && (!available || status === 'available'),
          ),
        signal,
      ),
    describeClaimed: (owner, signal) =>
      send(
        'DescribeNetworkInterfaces',
        { method: 'describeClaimed', target: owner },
        () => seenTagged(tagKeys.owner, owner),
        signal,
      ),
    describeEni: (eniId, signal) =>
      send(
        'DescribeNetworkInterfaces',
        { method: 'describeEni', target: eniId },
        () =>
          seen()
            .filter((eni) => eni.eniId === eniId)
            .map(toEni)[0],
        signal,
      ),
    describeInstance: (id, signal) =>
      send(
        'DescribeInstances',
        { method: 'describeInstance', target: id },
        () => {
          const { enis, instances } = snapshot();
          const instance = instances.find((seen) => seen.instanceId === id);
          if (instance === undefined) return undefined;
          return {
            state: instance.state,
            attachments: enis.flatMap(({ eniId, attachment }) =>
              attachment?.instanceId === id ? { eniId, ...attachment } : [],
            ),
            privateIpv4: instance.privateIpv4,
            tags: instance.tags,
            profileArn: labProfileArn(model.world),
          };
        },
        signal,
      ),
    countInstances: ({ profileArn, availabilityZone, idEnd, most }, signal) =>
      send(
        'DescribeInstances',
        { method: 'countInstances', target: profileArn },
        () => {
          const found = snapshot().instances.filter(
            (instance) =>
              instance.state === 'running' &&
              profileArn === labProfileArn(model.world) &&
              instance.availabilityZone === availabilityZone &&
              instance.instanceId.endsWith(idEnd),
          );
          return { count: Math.min(most, found.length), isCut: found.length > most };
        },
        signal,
      ),
    describeLimits: (name, signal) =>
      send(
        'DescribeInstanceTypes',
        { method: 'describeLimits', target: name },
        () => {
          const { networkCards, ipv4PerInterface } = instanceTypeOf(name);
          return { enis: networkCards[0]!, ipv4PerEni: ipv4PerInterface };
        },
        signal,
      ),
    describeSubnet: (subnetId, signal) =>
      send(
        'DescribeSubnets',
        { method: 'describeSubnet', target: subnetId },
        () => ({ subnetId, ipv4Cidr: model.subnet(subnetId)?.ipv4Cidr, ipv6Cidrs: [] }),
        signal,
      ),
    createClaim: (eniId, owner, claim, signal) =>
      send(
        'CreateTags',
        { method: 'createClaim', target: eniId },
        async () => {
          const isOpen = dials.mayTakeOver || isOfMyGroup(authorized(eniId)?.tags);
          if (!isOpen) authorize(eniId, undefined, me);
          const gapMs = dials.guardGapMs();
          if (gapMs > 0) await clock.sleep(gapMs, new AbortController().signal);
          model.createTags([eniId], { [tagKeys.owner]: owner, [tagKeys.claim]: claim });
        },
        signal,
      ),
    deleteClaim: (eniId, owner, signal) =>
      send(
        'DeleteTags',
        { method: 'deleteClaim', target: eniId },
        () => {
          authorize(eniId, me);
          model.deleteTags([eniId], [{ key: tagKeys.owner, value: owner }]);
        },
        signal,
      ),
    attach: (input, signal) =>
      send(
        'AttachNetworkInterface',
        { method: 'attach', target: input.eniId, deviceIndex: input.deviceIndex },
        () => {
          authorize(input.eniId, me);
          return model.attach(input).attachmentId;
        },
        signal,
      ),
    keepOnTermination: (eniId, attachmentId, signal) =>
      send(
        'ModifyNetworkInterfaceAttribute',
        { method: 'keepOnTermination', target: eniId },
        () => model.modifyEni(eniId, { attachmentId, deleteOnTermination: false }),
        signal,
      ),
    detach: (attachmentId, signal) =>
      send(
        'DetachNetworkInterface',
        { method: 'detach', target: attachmentId },
        () => {
          authorizeDetach(attachmentId);
          model.detach(attachmentId);
        },
        signal,
      ),
    forceDetach: (attachmentId, signal) =>
      send(
        'DetachNetworkInterface',
        { method: 'forceDetach', target: attachmentId },
        () => {
          authorizeDetach(attachmentId);
          model.detach(attachmentId, true);
        },
        signal,
      ),
    stop: (id, signal) =>
      send(
        'StopInstances',
        { method: 'stop', target: id },
        () => {
          authorizeStop(id);
          return model.stop(id).after;
        },
        signal,
      ),
    describeHealth: (id, signal) =>
      send(
        'DescribeInstanceStatus',
        { method: 'describeHealth', target: id },
        () => {
          const instance = snapshot().instances.find((seen) => seen.instanceId === id);
          return instance?.state === 'running' ? instance.health : 'unknown';
        },
        signal,
      ),
    rehearse: (what, signal) =>
      send(
        what.do === 'stop' ? 'StopInstances' : 'DetachNetworkInterface',
        { method: 'rehearse', target: what.do },
        () => {
          if (what.do === 'stop') authorizeStop(what.instanceId);
          else authorizeDetach(what.attachmentId);
        },
        signal,
      ),
  };
}

function deny(): never {
  throw new AwsFault(403, 'UnauthorizedOperation', 'You are not authorized');
}

function asSdkError(error: unknown): unknown {
  return error instanceof AwsFault
    ? Object.assign(new Error(error.message), {
        // The model calls the made-up ids of tests malformed once they name nothing.
        name: error.code
          .replace(/I[dD]\.Malformed$/, 'ID.NotFound')
          .replace(/^InvalidID$/, 'InvalidNetworkInterfaceID.NotFound'),
        $metadata: { httpStatusCode: error.status },
      })
    : error;
}

function toEni(eni: LabEni): Eni {
  const attachment = eni.attachment && { ...eni.attachment, attachedAt: undefined };
  return { ...eni, attachment, outpostArn: undefined, ipv6Prefixes: [] };
}
