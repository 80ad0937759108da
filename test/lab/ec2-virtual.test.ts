// The EC2 model on virtual time, in this process, without a wire: the same seed gives the same history.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createSeededRandom } from '../fakes/random.ts';
import { createVirtualTime } from '../fakes/virtual-time.ts';
import { drawDials } from './dials.ts';
import { createEc2Model, type Ec2Model } from './ec2-model.ts';
import { createEc2Service } from './ec2.ts';
import { createLaggingMacs } from './imds-lags.ts';
import { AwsFault, type LabService } from './service.ts';

const operator = { instanceId: undefined, instanceArn: undefined };
const subnetId = 'subnet-0000000000000000a';

type History = {
  readonly trace: readonly string[];
  readonly hash: string;
  readonly errors: ReadonlySet<string>;
  readonly endMs: number;
};

/** Three clients attach, detach, tag and look at random, each for a hundred calls. */
async function play(seed: number): Promise<History> {
  const time = createVirtualTime();
  const random = createSeededRandom(seed);
  const { ec2: dials, imdsLags } = drawDials(seed);
  using model = createEc2Model({
    clock: time,
    random: createSeededRandom(seed + 1),
    actuator: {
      plug: async (instanceId, { eniId }) => note(`plug ${eniId} ${instanceId}`),
      unplug: async (instanceId, eniId) => note(`unplug ${eniId} ${instanceId}`),
    },
    dials,
    partition: 'aws',
    region: 'eu-west-1',
    accountId: '111122223333',
  });
  using macs = createLaggingMacs(model, time, createSeededRandom(seed + 2));
  Object.assign(macs.lags, imdsLags);
  const trace: string[] = [];
  const errors = new Set<string>();
  const note = (line: string): void => void trace.push(`${time.monotonicMs()} ${line}`);
  model.on('change', (change) => {
    if (change.kind === 'eni') {
      const { status, attachment, tags } = change.eni ?? {};
      note(`${change.id} ${status} ${attachment?.instanceId} ${JSON.stringify(tags)}`);
    } else note(`${change.id} ${change.instance?.state}`);
  });
  const zone = { availabilityZone: 'eu-west-1a', availabilityZoneId: 'euw1-az1' };
  model.addSubnet({ ...zone, subnetId, vpcId: 'vpc-0', ipv4Cidr: '10.0.1.0/24' });
  const instances = ['1', '2', '3'].map((digit) => `i-0000000000000000${digit}`);
  for (const instanceId of instances) model.launch({ instanceId, subnetId });
  const enis = ['1', '2'].map((digit) => `eni-0000000000000000${digit}`);
  for (const eniId of enis) model.addEni({ eniId, subnetId });

  const service = createEc2Service(model);
  const { signal } = new AbortController();
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)]!;
  const client = async (instanceId: string): Promise<void> => {
    for (let count = 0; count < 100; count++) {
      await time.sleep(random.next() * 5000, signal);
      const call = pick(calls)(model, pick(enis), instanceId);
      if (call === undefined) continue;
      const outcome = await outcomeOf(service, call);
      if (outcome.error !== undefined) errors.add(outcome.error);
      const seen = macs.of(instanceId).map(({ eni, hasKeys }) => `${eni.eniId} ${hasKeys}`);
      note(`${instanceId} ${call.action} ${outcome.text} [${seen.join()}]`);
    }
  };
  await time.run(Promise.all(instances.map(client)));
  await time.run(model.settled());
  const hash = createHash('sha256').update(trace.join('\n')).digest('hex');
  return { trace, hash, errors, endMs: time.monotonicMs() };
}

type Call = { readonly action: string; readonly input: Readonly<Record<string, unknown>> };

const calls: readonly ((model: Ec2Model, eni: string, instance: string) => Call | undefined)[] = [
  (_model, NetworkInterfaceId, InstanceId) => ({
    action: 'AttachNetworkInterface',
    input: { NetworkInterfaceId, InstanceId, DeviceIndex: '1', NetworkCardIndex: '0' },
  }),
  (model, eniId) => {
    const attachment = model.eni(eniId)?.attachment;
    if (attachment === undefined) return undefined;
    const AttachmentId = attachment.attachmentId;
    const Force = String(attachment.status === 'detaching');
    return { action: 'DetachNetworkInterface', input: { AttachmentId, Force } };
  },
  (_model, id, Value) => ({
    action: 'CreateTags',
    input: { ResourceId: [id], Tag: [{ Key: 'berth:owner', Value }] },
  }),
  () => ({ action: 'DescribeNetworkInterfaces', input: {} }),
  (_model, _id, InstanceId) => ({ action: 'StopInstances', input: { InstanceId: [InstanceId] } }),
  (_model, _id, InstanceId) => ({ action: 'StartInstances', input: { InstanceId: [InstanceId] } }),
];

async function outcomeOf(
  service: LabService,
  call: Call,
): Promise<{ readonly text: string; readonly error: string | undefined }> {
  try {
    const answer = await service.handle({ ...call, caller: operator });
    return { text: JSON.stringify(answer), error: undefined };
  } catch (error) {
    if (!(error instanceof AwsFault)) throw error;
    return { text: `${error.code} ${error.message}`, error: error.code };
  }
}

const seeds = Array.from({ length: 60 }, (_, index) => index + 1);

describe('on virtual time', () => {
  test('the same seed gives the same history, another seed another', async () => {
    const hashes = new Map<number, string>();
    for (const seed of seeds.slice(0, 20)) {
      const first = await play(seed);
      const second = await play(seed);
      expect(second.trace).toEqual(first.trace);
      hashes.set(seed, first.hash);
    }
    expect(new Set(hashes.values()).size).toBe(20);
  });

  test('minutes pass in no time, and the seeds meet every error', async () => {
    const errors = new Set<string>();
    let virtualMs = 0;
    for (const seed of seeds) {
      const history = await play(seed);
      for (const error of history.errors) errors.add(error);
      virtualMs += history.endMs;
    }
    expect(virtualMs).toBeGreaterThan(seeds.length * 200_000);
    for (const error of [
      'InvalidNetworkInterface.InUse',
      'InvalidParameterValue',
      'IncorrectInstanceState',
      'ConcurrentTagAccess',
      'RequestLimitExceeded',
    ]) {
      expect(errors).toContain(error);
    }
  });

  test('an ENI has one device on one host at a time', async () => {
    const broken: string[] = [];
    let plugs = 0;
    for (const seed of seeds) {
      const host = new Map<string, string>();
      for (const line of (await play(seed)).trace) {
        const [, verb, eniId, instanceId] = line.split(' ') as [string, string, string, string];
        if (verb !== 'plug' && verb !== 'unplug') continue;
        const expected = verb === 'plug' ? undefined : instanceId;
        if (host.get(eniId) !== expected) broken.push(`seed ${seed}: ${line}`);
        if (verb === 'plug') plugs++;
        host.set(eniId, instanceId);
        if (verb === 'unplug') host.delete(eniId);
      }
    }
    expect(broken).toEqual([]);
    expect(plugs).toBeGreaterThan(seeds.length);
  });
});
