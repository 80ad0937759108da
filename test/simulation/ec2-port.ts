// EC2 as one process reaches it: the lab's model behind a network that loses, repeats and delays, reads that lag, and the
// policies of packaging/iam.
import { classifyEc2Error } from '../../src/claim/ec2-errors.ts';
import type { Ec2 } from '../../src/claim/ec2.ts';
import { tagKeys } from '../../src/claim/tags.ts';
import type { Eni } from '../../src/model/eni.ts';
import { profileArn as profileArnOf } from '../lab/ec2-lookup.ts';
import { instanceTypeOf } from '../lab/ec2-instance-types.ts';
import type { LabEni } from '../lab/ec2-world.ts';
import { AwsFault } from '../lab/service.ts';
import { authorize } from './authorize.ts';
import type { Call, Change } from './facts.ts';
import { gate, type Process } from './process.ts';

type Fault =
  | 'request-lost'
  | 'reply-lost'
  | 'duplicate'
  | 'throttled'
  | 'server-error'
  | 'server-error-after'
  | 'truncated'
  | 'outage';

type Outcome = {
  readonly value?: unknown;
  readonly error?: AwsFault;
  readonly enis?: readonly Eni[] | undefined;
  readonly lagMs?: number;
};

/** SDK request timeout (src/system/aws.ts). */
const clientTimeoutMs = 5_000;
/** The second copy of a request comes no later than this: the client's own time limit. */
const duplicateWithinMs = 4_000;

export function createSimEc2(process: Process): Ec2 {
  const { host } = process;
  const { world } = host;
  const { time, model, plan, net } = world;
  const { calls: rates } = plan;

  function drawFault(): Fault | undefined {
    if (world.isCalm) return undefined;
    if (time.nowMs() < world.outageUntilMs) return 'outage';
    if (net.chance(rates.requestLost)) return 'request-lost';
    if (net.chance(rates.replyLost)) return 'reply-lost';
    if (net.chance(rates.throttled)) return 'throttled';
    if (net.chance(rates.serverError))
      return net.chance(0.7) ? 'server-error' : 'server-error-after';
    if (net.chance(rates.truncated)) return 'truncated';
    return net.chance(rates.duplicate) ? 'duplicate' : undefined;
  }

  function drawLagMs(): number {
    if (world.isCalm) return 0;
    if (net.chance(rates.longLag)) return net.between(20_000, 300_000);
    return rates.readLagMs === 0 || net.chance(0.3) ? 0 : net.upTo(rates.readLagMs);
  }

  /** `work` is done when the request arrives, once for each copy; it throws AwsFault. */
  function send<T>(
    action: string,
    about: Pick<Call, 'method' | 'target'> & { readonly change?: Change },
    work: (call: Call) => Outcome,
    signal: AbortSignal,
  ): Promise<T> {
    return gate(
      process,
      () =>
        new Promise<T>((resolve, reject) => {
          if (signal.aborted) {
            reject(signal.reason as Error);
            return;
          }
          const call: Call = {
            ...about,
            id: ++world.calls,
            host,
            life: process.life,
            sentAtMs: time.nowMs(),
            isReleasing: process.isReleasing,
          };
          const fault = drawFault();
          world.tell({ what: 'call', call, fault });
          const halfMs = (rates.latencyMs * net.between(0.2, 1)) / 2;
          let isSettled = false;

          const settle = (outcome: Outcome | Error): void => {
            if (isSettled || process.isDead) return;
            isSettled = true;
            signal.removeEventListener('abort', abort);
            const thrown = outcome instanceof Error ? outcome : outcome.error;
            const error =
              thrown === undefined
                ? undefined
                : classifyEc2Error(`ec2:${action}`, sdkError(thrown));
            world.tell({
              what: 'answer',
              call,
              code: error?.code ?? 'ok',
              lagMs: (outcome as Outcome).lagMs ?? 0,
              enis: (outcome as Outcome).enis,
            });
            if (error === undefined) resolve((outcome as Outcome).value as T);
            else reject(error);
          };
          const abort = (): void => {
            if (isSettled || process.isDead) return;
            isSettled = true;
            reject(signal.reason as Error);
          };
          signal.addEventListener('abort', abort, { once: true });

          const arrive = (): Outcome => {
            world.tell({ what: 'arrival', call });
            let outcome: Outcome;
            try {
              outcome = work(call);
            } catch (error) {
              if (!(error instanceof AwsFault)) throw error;
              outcome = { error };
            }
            world.tell({ what: 'effect', call, refusal: outcome.error?.code });
            return outcome;
          };
          const timeOut = (): void =>
            void time.after(clientTimeoutMs - halfMs, () => settle(noAnswer()));

          if (fault === 'outage') {
            const isReset = net.chance(0.5);
            time.after(isReset ? halfMs : clientTimeoutMs, () => settle(noAnswer()));
            return;
          }
          time.after(halfMs, () => {
            // What was on its way when its sender died may arrive all the same.
            if (process.isDead && net.chance(0.5)) return;
            switch (fault) {
              case 'request-lost':
                timeOut();
                return;
              case 'throttled':
                time.after(halfMs, () => settle(refuse(503, 'RequestLimitExceeded')));
                return;
              case 'server-error':
                time.after(halfMs, () => settle(refuse(500, 'InternalError')));
                return;
              case 'reply-lost':
                arrive();
                if (net.chance(0.5)) timeOut();
                else time.after(halfMs, () => settle(noAnswer()));
                return;
              case 'server-error-after':
                arrive();
                time.after(halfMs, () => settle(refuse(500, 'InternalError')));
                return;
              case 'truncated':
                arrive();
                time.after(halfMs, () => settle(noAnswer()));
                return;
              case 'duplicate':
                // The second copy is sent since the first has no answer: the second one's is heard.
                arrive();
                time.after(net.upTo(duplicateWithinMs), () => {
                  const second = arrive();
                  time.after(halfMs, () => settle(second));
                });
                return;
              default: {
                const outcome = arrive();
                time.after(halfMs, () => settle(outcome));
              }
            }
          });
        }),
    );
  }

  let omits = { untilMs: -1, againAtMs: -1 };
  const isOmitted = (): boolean => {
    if (world.isCalm) return false;
    const nowMs = time.nowMs();
    if (nowMs >= omits.againAtMs && net.chance(rates.omission)) {
      omits = { untilMs: nowMs + net.upTo(rates.omissionMs), againAtMs: nowMs + 20_000 };
    }
    return nowMs < omits.untilMs;
  };
  const seen = (lagMs: number, wants: (eni: LabEni) => boolean): readonly Eni[] => {
    const found: Eni[] = [];
    if (isOmitted()) return found;
    for (const eni of model.world.enis.ago(lagMs).values()) if (wants(eni)) found.push(toEni(eni));
    return found;
  };
  const describe = (
    method: 'describePool' | 'describePart' | 'describeClaimed',
    key: string,
    value: string,
    signal: AbortSignal,
    wants: (eni: LabEni) => boolean = () => true,
  ): Promise<readonly Eni[]> =>
    send(
      'DescribeNetworkInterfaces',
      { method, target: value },
      () => {
        const lagMs = drawLagMs();
        const enis = seen(lagMs, (eni) => eni.tags[key] === value && wants(eni));
        return { value: enis, enis, lagMs };
      },
      signal,
    );
  const change = <T>(
    action: string,
    about: Pick<Call, 'method' | 'target'> & { readonly change: Change },
    signal: AbortSignal,
  ): Promise<T> => {
    const sent = world.onTheWire(about.change, process);
    return send(
      action,
      { ...about, change: sent },
      (call) => {
        authorize(world, host, sent);
        return { value: apply(process, call, sent) };
      },
      signal,
    );
  };

  return {
    describePool: (pool, signal) => describe('describePool', tagKeys.pool, pool, signal),
    describePart: (pool, { idEnd = '', available }, signal) =>
      describe(
        'describePart',
        tagKeys.pool,
        pool,
        signal,
        ({ eniId, status }) => eniId.endsWith(idEnd) && (!available || status === 'available'),
      ),
    describeClaimed: (owner, signal) => describe('describeClaimed', tagKeys.owner, owner, signal),
    describeEni: (eniId, signal) =>
      send(
        'DescribeNetworkInterfaces',
        { method: 'describeEni', target: eniId },
        () => {
          const lagMs = drawLagMs();
          const eni = isOmitted() ? undefined : model.world.enis.ago(lagMs).get(eniId);
          const enis = eni === undefined ? [] : [toEni(eni)];
          return { value: enis[0], enis, lagMs };
        },
        signal,
      ),
    describeInstance: (id, signal) =>
      send(
        'DescribeInstances',
        { method: 'describeInstance', target: id },
        () => {
          const lagMs = drawLagMs();
          const instance = model.world.instances.ago(lagMs).get(id);
          if (instance === undefined) return { value: undefined, lagMs };
          const { state, privateIpv4, tags } = instance;
          const attachments: unknown[] = [];
          for (const { eniId, attachment } of model.world.enis.ago(lagMs).values()) {
            if (attachment?.instanceId === id) attachments.push({ eniId, ...attachment });
          }
          const profileArn = profileArnOf(model.world);
          return { value: { state, privateIpv4, tags, attachments, profileArn }, lagMs };
        },
        signal,
      ),
    countInstances: ({ availabilityZone, idEnd, most }, signal) =>
      send(
        'DescribeInstances',
        { method: 'countInstances', target: availabilityZone },
        () => {
          let count = 0;
          for (const instance of model.world.instances.ago(drawLagMs()).values()) {
            const isRunning = instance.state === 'running' && instance.instanceId.endsWith(idEnd);
            if (isRunning && instance.availabilityZone === availabilityZone) count++;
          }
          return { value: { count: Math.min(most, count), isCut: count > most } };
        },
        signal,
      ),
    describeHealth: (id, signal) =>
      send(
        'DescribeInstanceStatus',
        { method: 'describeHealth', target: id },
        () => {
          const instance = model.world.instances.ago(drawLagMs()).get(id);
          return { value: instance?.state === 'running' ? instance.health : 'unknown' };
        },
        signal,
      ),
    describeLimits: (name, signal) =>
      send(
        'DescribeInstanceTypes',
        { method: 'describeLimits', target: name },
        () => {
          const { networkCards, ipv4PerInterface } = instanceTypeOf(name);
          return { value: { enis: networkCards[0]!, ipv4PerEni: ipv4PerInterface } };
        },
        signal,
      ),
    describeSubnet: (subnetId, signal) =>
      send(
        'DescribeSubnets',
        { method: 'describeSubnet', target: subnetId },
        () => ({
          value: { subnetId, ipv4Cidr: model.subnet(subnetId)?.ipv4Cidr, ipv6Cidrs: [] },
        }),
        signal,
      ),
    createClaim: (eniId, owner, claim, signal) => {
      const tags = { [tagKeys.owner]: owner, [tagKeys.claim]: claim };
      const change_: Change = { do: 'create-tags', eniId, tags };
      return change(
        'CreateTags',
        { method: 'createClaim', target: eniId, change: change_ },
        signal,
      );
    },
    deleteClaim: (eniId, owner, signal) => {
      const list = [{ key: tagKeys.owner, value: owner }];
      const change_: Change = { do: 'delete-tags', eniId, list };
      return change(
        'DeleteTags',
        { method: 'deleteClaim', target: eniId, change: change_ },
        signal,
      );
    },
    attach: (input, signal) =>
      change(
        'AttachNetworkInterface',
        { method: 'attach', target: input.eniId, change: { do: 'attach', ...input } },
        signal,
      ),
    keepOnTermination: (eniId, attachmentId, signal) =>
      change(
        'ModifyNetworkInterfaceAttribute',
        {
          method: 'keepOnTermination',
          target: eniId,
          change: { do: 'modify', eniId, attachmentId, deleteOnTermination: false },
        },
        signal,
      ),
    detach: (attachmentId, signal) =>
      change(
        'DetachNetworkInterface',
        {
          method: 'detach',
          target: attachmentId,
          change: { do: 'detach', attachmentId, force: false },
        },
        signal,
      ),
    forceDetach: (attachmentId, signal) =>
      change(
        'DetachNetworkInterface',
        {
          method: 'forceDetach',
          target: attachmentId,
          change: { do: 'detach', attachmentId, force: true },
        },
        signal,
      ),
    stop: (instanceId, signal) =>
      change(
        'StopInstances',
        { method: 'stop', target: instanceId, change: { do: 'stop', instanceId } },
        signal,
      ),
    rehearse: (what, signal) =>
      send(
        what.do === 'stop' ? 'StopInstances' : 'DetachNetworkInterface',
        { method: 'rehearse', target: what.do },
        () => {
          const { do: verb } = what;
          authorize(world, host, verb === 'stop' ? what : { ...what, force: false });
          return {};
        },
        signal,
      ),
  };
}

/** Takes effect at once, but for a guard that was checked a moment before the tag is written. */
function apply(process: Process, call: Call, change: Change): unknown {
  const { world } = process.host;
  const { model, plan, net, time } = world;
  switch (change.do) {
    case 'attach':
      return model.attach({ ...change, networkCardIndex: change.networkCardIndex ?? 0 })
        .attachmentId;
    case 'detach':
      return model.detach(change.attachmentId, change.force);
    case 'create-tags': {
      const { guardGapMs } = plan.calls;
      const write = (): void => model.createTags([change.eniId], change.tags);
      if (world.isCalm || !net.chance(guardGapMs > 0 ? 0.3 : 0)) return write();
      time.after(net.upTo(guardGapMs), () => {
        try {
          write();
          world.tell({ what: 'effect', call, refusal: undefined });
        } catch (error) {
          if (!(error instanceof AwsFault)) throw error;
        }
      });
      return undefined;
    }
    case 'delete-tags':
      return model.deleteTags([change.eniId], change.list);
    case 'modify':
      return model.modifyEni(change.eniId, {
        attachmentId: change.attachmentId,
        deleteOnTermination: change.deleteOnTermination,
      });
    default:
      return model.stop(change.instanceId).after;
  }
}

function refuse(status: number, code: string): Outcome {
  return { error: new AwsFault(status, code, code) };
}

function noAnswer(): Error {
  return Object.assign(new Error('no answer'), { name: 'TimeoutError' });
}

function sdkError(error: Error): unknown {
  return error instanceof AwsFault
    ? Object.assign(new Error(error.message), {
        name: error.code,
        $metadata: { httpStatusCode: error.status },
      })
    : error;
}

const converted = new WeakMap<LabEni, Eni>();

/** The model never changes a record, so that one reading of it is enough. */
export function toEni(eni: LabEni): Eni {
  const known = converted.get(eni);
  if (known !== undefined) return known;
  const attachment = eni.attachment && { ...eni.attachment, attachedAt: undefined };
  const fresh: Eni = { ...eni, attachment, outpostArn: undefined, ipv6Prefixes: [] };
  converted.set(eni, fresh);
  return fresh;
}
