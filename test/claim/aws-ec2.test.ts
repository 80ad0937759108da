// The EC2 port over the real SDK and HTTP, against the local AWS with the shipped policies.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAwsEc2 } from '../../src/claim/aws-ec2.ts';
import { claimEni, type ClaimDeps } from '../../src/claim/claim.ts';
import type { Ec2 } from '../../src/claim/ec2.ts';
import { detachAndDrop } from '../../src/claim/release.ts';
import type { BerthError, ErrorCode } from '../../src/errors.ts';
import type { Eni } from '../../src/model/eni.ts';
import { systemClock } from '../../src/system/clock.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { claimInputOf } from '../fixtures/claim-world.ts';
import { identityOf } from '../fixtures/identity.ts';
import type { Policy } from '../lab/iam-evaluate.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { createJudgedFront } from '../lab/judged-front.ts';
import type { LabFaultRule } from '../lab/service.ts';
import {
  createTestWorld,
  inPool,
  one,
  subnetA,
  subnetA2,
  two,
  vpcId,
  type TestWorld,
} from '../lab/test-world.ts';
import { createTlsFront, needsOpenssl } from '../lab/tls-front.ts';

let world: TestWorld;
let log: MemoryLog;
let eniId: string;
let ec2: Ec2 & Disposable;
let me: string;
const life = new AbortController();
const { signal } = life;

const connect = (instanceId: string): Ec2 & Disposable =>
  createAwsEc2(
    { clock: createFakeClock(), log },
    {
      region: world.lab.region,
      credentials: () => Promise.resolve(world.lab.credentialsFor(instanceId)),
    },
  );

beforeEach(async () => {
  world = await createTestWorld();
  vi.stubEnv('AWS_ENDPOINT_URL', world.lab.endpoint);
  log = createMemoryLog();
  eniId = world.lab.ec2.addEni({ subnetId: subnetA, tags: inPool, secondaryIpv4Count: 1 }).eniId;
  ec2 = connect(one);
  me = world.lab.ec2.arnOf(one);
});
afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  ec2[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

const eni = () => world.lab.ec2.eni(eniId)!;
const ownIt = (): void => world.lab.ec2.createTags([eniId], { 'berth:owner': me });
const attach = (id: string, deviceIndex: number): Promise<string> =>
  ec2.attach({ eniId: id, instanceId: one, deviceIndex, networkCardIndex: 0 }, signal);
const attachIt = (): Promise<string> => attach(eniId, 1);
const fail = (match: string, fault: LabFaultRule['fault'], times = 1): void =>
  world.lab.front.fail({ match, times, fault });
const errorOf = (work: Promise<unknown>): Promise<BerthError> =>
  work.then(
    () => Promise.reject(new Error('there was no error')),
    (error: unknown) => error as BerthError,
  );

const part = async (idEnd: string | undefined, available: boolean) =>
  (await ec2.describePart('db', { idEnd, available }, signal)).map((found) => found.eniId);

test('a large account answers all that berth reads', async () => {
  world.lab.ec2.dials.pagedAbove = 1;
  expect(await ec2.describePool('db', signal)).toHaveLength(1);
  expect(await ec2.describeClaimed(me, signal)).toEqual([]);
  expect(await ec2.describeEni(eniId, signal)).toMatchObject({ eniId });
  expect(await ec2.describeInstance(one, signal)).toMatchObject({ state: 'running' });
});

const attachAt = (endpoint: string): Promise<BerthError> => {
  vi.stubEnv('AWS_ENDPOINT_URL', endpoint);
  ec2[Symbol.dispose]();
  ec2 = connect(one);
  return errorOf(attachIt());
};

describe('an endpoint that never hears of the call', () => {
  test('whose name does not resolve', async () => {
    // Longer than a label of DNS may be: no resolver is asked.
    const error = await attachAt(`http://${'a'.repeat(64)}.invalid`);
    expect(error).toMatchObject({ code: 'aws-unavailable', retryable: true });
    expect(error.message).toMatch(/cannot be reached \(getaddrinfo ENOTFOUND .*check DNS/);
  });

  test.skipIf(needsOpenssl !== '')(
    `whose certificate nobody has signed that berth knows${needsOpenssl}`,
    async () => {
      using folder = temporaryFolder();
      await using front = await createTlsFront(world.lab.endpoint, folder.path);
      const error = await attachAt(front.endpoint);
      expect(error).toMatchObject({ code: 'aws-unavailable', retryable: true });
      expect(error.message).toMatch(
        /^cannot call ec2:AttachNetworkInterface: the certificate of the endpoint cannot be trusted \(/,
      );
      expect(world.lab.front.calls).toEqual([]);
    },
  );
});

test('credentials that AWS refuses are asked for anew, once', async () => {
  const asked: boolean[] = [];
  using port = createAwsEc2(
    { clock: createFakeClock(), log },
    {
      region: world.lab.region,
      credentials: (fresh) => {
        asked.push(fresh);
        return Promise.resolve(world.lab.credentialsFor(one));
      },
    },
  );
  await port.describePool('db', signal);
  fail('ec2:DescribeNetworkInterfaces', { kind: 'error', status: 401, code: 'AuthFailure' });
  await expect(port.describePool('db', signal)).rejects.toMatchObject({ code: 'aws-credentials' });
  await port.describePool('db', signal);
  await port.describePool('db', signal);
  expect(asked.indexOf(true)).toBeGreaterThan(0);
  expect(asked.filter((fresh) => fresh)).toHaveLength(1);
});

test('a clock that is 20 minutes off costs one refusal: the next call is signed by that of AWS', async () => {
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + 20 * 60_000 };
  await using front = await createJudgedFront({
    host: '127.0.0.1',
    port: 0,
    clock,
    maxSkewMs: 15 * 60_000,
    services: { ec2: { handle: () => Promise.resolve({ networkInterfaceSet: [] }) } },
    identify: () => ({ instanceId: one, instanceArn: me }),
  });
  vi.stubEnv('AWS_ENDPOINT_URL', front.endpoint);
  using port = connect(one);
  await expect(port.describePool('db', signal)).rejects.toMatchObject({ code: 'aws-credentials' });
  expect(await port.describePool('db', signal)).toEqual([]);
});

describe('reading', () => {
  test('describePool: every ENI of the pool, as the claim needs it', async () => {
    const other = world.lab.ec2.addEni({ subnetId: subnetA2, tags: { 'berth:pool': 'web' } });
    const [found, ...more] = await ec2.describePool('db', signal);
    expect(more).toEqual([]);
    expect(found).toEqual({
      eniId,
      mac: eni().mac,
      subnetId: subnetA,
      vpcId,
      availabilityZone: 'eu-west-1a',
      availabilityZoneId: 'euw1-az1',
      status: 'available',
      interfaceType: 'interface',
      requesterManaged: false,
      operatorManaged: false,
      outpostArn: undefined,
      ipv4: eni().ipv4,
      ipv4Prefixes: [],
      ipv6: [],
      ipv6Prefixes: [],
      tags: inPool,
      attachment: undefined,
    } satisfies Eni);
    expect(found!.ipv4).toHaveLength(2);
    expect((await ec2.describePool('web', signal)).map(({ eniId }) => eniId)).toEqual([
      other.eniId,
    ]);
    expect(await ec2.describePool('none', signal)).toEqual([]);
  });

  test('describePool: page after page', async () => {
    const subnetId = 'subnet-000000000000000ff';
    const subnet = world.lab.ec2.subnet(subnetA)!;
    world.lab.ec2.addSubnet({ ...subnet, subnetId, ipv4Cidr: '10.0.16.0/20' });
    for (let n = 0; n < 1_000; n++) {
      const privateIpv4 = `10.0.${16 + Math.floor(n / 200)}.${(n % 200) + 10}`;
      world.lab.ec2.addEni({ subnetId, privateIpv4, tags: inPool });
    }
    const all = await ec2.describePool('db', signal);
    expect(new Set(all.map(({ eniId }) => eniId)).size).toBe(1_001);
    expect(world.lab.front.calls).toHaveLength(2);
  });

  test('describePart: by the end of the id, by the state, one page', async () => {
    const last = eniId.at(-1)!;
    const others = ['0', '1'].map((digit) =>
      world.lab.ec2.addEni({
        subnetId: subnetA,
        eniId: `eni-0000000000000000${digit === last ? '2' : digit}`,
        tags: inPool,
      }),
    );
    world.lab.ec2.addEni({ subnetId: subnetA, eniId: `eni-1000000000000000${last}` });
    expect(await part(last, false)).toEqual([eniId]);
    expect((await part(undefined, true)).length).toBe(1 + others.length);
    ownIt();
    await attachIt();
    expect(await part(last, true)).toEqual([]);
    expect((await part(undefined, true)).toSorted()).toEqual(
      others.map((other) => other.eniId).toSorted(),
    );
    expect(await part(last, false)).toEqual([eniId]);
  });

  test('countInstances: those that run with our profile in our zone, by the end of the id', async () => {
    const { profileArn } = (await ec2.describeInstance(one, signal))!;
    const { availabilityZone } = world.lab.ec2.instance(one)!;
    const of = { profileArn: profileArn!, availabilityZone, idEnd: '', most: 5 };
    const running = world.lab.ec2
      .instances()
      .filter((instance) => instance.availabilityZone === availabilityZone);
    expect(await ec2.countInstances(of, signal)).toEqual({ count: running.length, isCut: false });
    for (let n = 0; n < 5; n++)
      world.lab.ec2.launch({ instanceId: `i-0000000000000a00${n}`, subnetId: subnetA });
    expect(await ec2.countInstances(of, signal)).toEqual({ count: 5, isCut: true });
    const ends = await ec2.countInstances({ ...of, idEnd: 'a004' }, signal);
    expect(ends).toEqual({ count: 1, isCut: false });
    world.lab.ec2.stop('i-0000000000000a004');
    const none = { count: 0, isCut: false };
    expect(await ec2.countInstances({ ...of, idEnd: 'a004' }, signal)).toEqual(none);
    expect(await ec2.countInstances({ ...of, availabilityZone: 'x' }, signal)).toEqual(none);
    expect(await ec2.countInstances({ ...of, profileArn: 'arn:x' }, signal)).toEqual(none);
  });

  test('describeEni: with its attachment; undefined where there is none', async () => {
    ownIt();
    const attachmentId = await attachIt();
    await world.lab.ec2.settled();
    expect(await ec2.describeEni(eniId, signal)).toMatchObject({
      status: 'in-use',
      tags: { ...inPool, 'berth:owner': me },
      attachment: {
        attachmentId,
        instanceId: one,
        deviceIndex: 1,
        networkCardIndex: 0,
        status: 'attached',
        deleteOnTermination: false,
      },
    });
    expect(await ec2.describeEni('eni-0123456789abcdef0', signal)).toBeUndefined();
  });

  test('describeClaimed: what carries a name', async () => {
    expect(await ec2.describeClaimed(me, signal)).toEqual([]);
    ownIt();
    expect(await ec2.describeClaimed(me, signal)).toMatchObject([{ eniId }]);
  });

  test('describeInstance: indexes in use; undefined while EC2 does not know the instance', async () => {
    ownIt();
    await attachIt();
    const self = await ec2.describeInstance(one, signal);
    expect(self!.state).toBe('running');
    expect(self!.attachments).toContainEqual({ eniId, deviceIndex: 1, networkCardIndex: 0 });
    expect(self!.attachments.map(({ deviceIndex }) => deviceIndex)).toEqual([0, 1]);
    expect(await ec2.describeInstance('i-0123456789abcdef9', signal)).toBeUndefined();
  });

  test('describeSubnet: its blocks', async () => {
    expect(await ec2.describeSubnet(subnetA2, signal)).toEqual({
      subnetId: subnetA2,
      ipv4Cidr: '10.0.2.0/24',
      ipv6Cidrs: [],
    });
  });
});

describe('writing', () => {
  test('createClaim writes the two tags, and again over its own', async () => {
    await ec2.createClaim(eniId, me, '1:x', signal);
    await ec2.createClaim(eniId, me, '2:y', signal);
    expect(eni().tags).toEqual({ ...inPool, 'berth:owner': me, 'berth:claim': '2:y' });
  });

  test('the guard refuses what another owns, naming the permission', async () => {
    await ec2.createClaim(eniId, me, '1:x', signal);
    using other = connect(two);
    const error = await errorOf(other.createClaim(eniId, world.lab.ec2.arnOf(two), '2:y', signal));
    expect(error).toMatchObject({ code: 'aws-denied', details: { action: 'ec2:CreateTags' } });
    expect(error.message).toBe(
      'cannot call ec2:CreateTags: the role lacks the permission ec2:CreateTags (UnauthorizedOperation)',
    );
  });

  test('deleteClaim takes our name and leaves the epoch; IAM refuses it for another', async () => {
    await ec2.createClaim(eniId, me, '1:x', signal);
    using other = connect(two);
    const arn = world.lab.ec2.arnOf(two);
    expect((await errorOf(other.deleteClaim(eniId, arn, signal))).code).toBe('aws-denied');
    expect((await errorOf(other.deleteClaim(eniId, me, signal))).code).toBe('aws-denied');
    await ec2.deleteClaim(eniId, me, signal);
    expect(eni().tags).toEqual({ ...inPool, 'berth:claim': '1:x' });
  });

  test('attach and detach, with explicit card and index, never with Force', async () => {
    ownIt();
    const attachmentId = await attachIt();
    expect(eni().attachment).toMatchObject({ attachmentId, deviceIndex: 1, networkCardIndex: 0 });
    await ec2.detach(attachmentId, signal);
    await world.lab.ec2.settled();
    expect(eni().status).toBe('available');
    expect((await errorOf(ec2.detach(attachmentId, signal))).code).toBe('eni-gone');
    const inputs = world.lab.front.calls.map(({ action, input }) => [action, input]);
    expect(inputs).toContainEqual([
      'AttachNetworkInterface',
      { NetworkInterfaceId: eniId, InstanceId: one, DeviceIndex: '1', NetworkCardIndex: '0' },
    ]);
    expect(inputs).toContainEqual(['DetachNetworkInterface', { AttachmentId: attachmentId }]);
  });

  test('attach: in use, index taken, limit, not ours', async () => {
    expect((await errorOf(attachIt())).code).toBe('aws-denied');
    ownIt();
    await attachIt();
    expect((await errorOf(attachIt())).code).toBe('eni-in-use');
    const more = [1, 2].map(
      () => world.lab.ec2.addEni({ subnetId: subnetA, tags: eni().tags }).eniId,
    );
    expect((await errorOf(attach(more[0]!, 1))).code).toBe('eni-index-taken');
    await attach(more[0]!, 2);
    expect((await errorOf(attach(more[1]!, 3))).code).toBe('eni-limit');
    expect((await errorOf(attach('eni-0123456789abcdef0', 3))).code).toBe('eni-gone');
  });
});

const lastInput = () => world.lab.front.calls.at(-1);

describe('a peer of the failover group', () => {
  const member = 'i-0000000000000000a';
  const peer = 'i-0000000000000000b';
  const inGroup = { ...inPool, 'berth:ha-group': 'db-a' };
  let mine: Ec2 & Disposable;
  let attachmentId: string;

  beforeEach(async () => {
    for (const instanceId of [member, peer])
      world.lab.ec2.launch({ instanceId, subnetId: subnetA, tags: inGroup });
    world.lab.ec2.createTags([eniId], { ...inGroup, 'berth:owner': world.lab.ec2.arnOf(peer) });
    ({ attachmentId } = world.lab.ec2.attach({
      eniId,
      instanceId: peer,
      deviceIndex: 1,
      networkCardIndex: 0,
    }));
    await world.lab.ec2.settled();
    mine = connect(member);
    return () => mine[Symbol.dispose]();
  });

  test('describeInstance: its own address and its tags', async () => {
    expect(await mine.describeInstance(peer, signal)).toMatchObject({
      state: 'running',
      privateIpv4: world.lab.ec2.instance(peer)!.privateIpv4,
      tags: inGroup,
    });
  });

  test('describeHealth: ok, impaired, and unknown for what does not run', async () => {
    expect(await mine.describeHealth(peer, signal)).toBe('ok');
    world.lab.ec2.setHealth(peer, 'impaired');
    expect(await mine.describeHealth(peer, signal)).toBe('impaired');
    world.lab.ec2.stop(peer);
    await world.lab.ec2.settled();
    expect(await mine.describeHealth(peer, signal)).toBe('unknown');
  });

  test('stop: by force, without its shutdown, until it says stopped; never oneself', async () => {
    expect(await mine.stop(peer, signal)).toBe('stopping');
    expect(lastInput()).toMatchObject({
      action: 'StopInstances',
      input: { InstanceId: [peer], Force: 'true', SkipOsShutdown: 'true' },
    });
    await world.lab.ec2.settled();
    expect(await mine.stop(peer, signal)).toBe('stopped');
    expect((await errorOf(mine.stop(member, signal))).code).toBe('aws-denied');
    world.lab.ec2.terminate(peer);
    expect((await errorOf(mine.stop(peer, signal))).code).toBe('eni-state');
  });

  test('forceDetach: with Force; then the claim is written over', async () => {
    await mine.forceDetach(attachmentId, signal);
    expect(lastInput()!.input).toEqual({ AttachmentId: attachmentId, Force: 'true' });
    await world.lab.ec2.settled();
    const arn = world.lab.ec2.arnOf(member);
    await mine.createClaim(eniId, arn, '2:x', signal);
    await mine.attach({ eniId, instanceId: member, deviceIndex: 1, networkCardIndex: 0 }, signal);
    expect(eni()).toMatchObject({
      tags: { 'berth:owner': arn },
      attachment: { instanceId: member },
    });
  });

  test('rehearse: says what would be denied, and does nothing', async () => {
    const stop = { do: 'stop', instanceId: peer } as const;
    const detach = { do: 'detach', attachmentId } as const;
    await mine.rehearse(stop, signal);
    await mine.rehearse(detach, signal);
    for (const what of [stop, detach]) {
      expect(await errorOf(ec2.rehearse(what, signal))).toMatchObject({
        code: 'aws-denied',
        details: {
          action: what === stop ? 'ec2:StopInstances' : 'ec2:DetachNetworkInterface',
        },
      });
    }
    expect(world.lab.ec2.instance(peer)!.state).toBe('running');
    expect(eni().attachment?.status).toBe('attached');
  });
});

describe('what goes wrong on the way', () => {
  type Row = readonly [string, LabFaultRule['fault'], ErrorCode, boolean];
  test.each<Row>([
    ['reset before', { kind: 'reset-before' }, 'aws-unknown-outcome', false],
    ['reset after', { kind: 'reset-after' }, 'aws-unknown-outcome', true],
    ['truncated', { kind: 'truncated' }, 'aws-unknown-outcome', true],
    ['HTML with 200', { kind: 'html', status: 200 }, 'aws-unknown-outcome', false],
    ['HTML with 400', { kind: 'html', status: 400 }, 'aws-unknown-outcome', false],
    ['HTML with 403', { kind: 'html', status: 403 }, 'aws-unknown-outcome', false],
    ['HTML with 502', { kind: 'html', status: 502 }, 'aws-unknown-outcome', false],
    [
      'throttled',
      { kind: 'error', status: 503, code: 'RequestLimitExceeded' },
      'aws-throttled',
      false,
    ],
    [
      'simultaneous',
      { kind: 'error', status: 400, code: 'ConcurrentTagAccess' },
      'aws-throttled',
      false,
    ],
    ['internal', { kind: 'error', status: 500, code: 'InternalError' }, 'aws-unavailable', false],
    [
      'expired keys',
      { kind: 'error', status: 400, code: 'RequestExpired' },
      'aws-credentials',
      false,
    ],
    ['denied', { kind: 'error', status: 403, code: 'UnauthorizedOperation' }, 'aws-denied', false],
    [
      'unsupported',
      { kind: 'error', status: 400, code: 'UnsupportedOperation' },
      'aws-invalid',
      false,
    ],
  ])('%s', async (_name, fault, code, happened) => {
    fail('ec2:CreateTags', fault);
    const error = await errorOf(ec2.createClaim(eniId, me, '1:x', signal));
    expect(error).toMatchObject({ code, details: { action: 'ec2:CreateTags' } });
    expect(error.message).toMatch(/^cannot call ec2:CreateTags: /);
    expect(eni().tags['berth:owner']).toBe(happened ? me : undefined);
    // One attempt: only the caller knows what may be repeated.
    const tries = world.lab.front.calls.filter(({ action }) => action === 'CreateTags');
    expect(tries).toHaveLength(1);
  });

  test('slower than the time limit: an unknown outcome', async () => {
    await ec2.describePool('db', signal);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    fail('ec2:CreateTags', { kind: 'slow', ms: 3_600_000 });
    const ended = vi.fn<(error: BerthError) => void>();
    void errorOf(ec2.createClaim(eniId, me, '1:x', signal)).then(ended);
    await vi.waitUntil(() => eni().tags['berth:owner'] === me, { timeout: 5_000, interval: 5 });
    for (let s = 0; ended.mock.calls.length === 0 && s < 60; s++) {
      await vi.advanceTimersByTimeAsync(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ended.mock.lastCall).toMatchObject([{ code: 'aws-unknown-outcome', retryable: true }]);
  });

  test('nobody listens: nothing happened', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:9');
    using away = connect(one);
    const error = await errorOf(away.createClaim(eniId, me, '1:x', signal));
    expect(error.code).toBe('aws-unavailable');
    expect(error.message).toContain('check DNS, routes and VPC endpoints');
  });

  test('a stop ends the call with its reason', async () => {
    const stop = new AbortController();
    const reason = new Error('stopping');
    world.lab.front.onCall(() => stop.abort(reason));
    const call = ec2
      .describePool('db', stop.signal)
      .then(() => ec2.describePool('db', stop.signal));
    await expect(call).rejects.toBe(reason);
  });

  test.each<readonly [string, (ec2: Ec2) => Promise<unknown>]>([
    ['DescribeNetworkInterfaces', (ec2) => ec2.describePool('db', signal)],
    ['DescribeNetworkInterfaces', (ec2) => ec2.describeClaimed(me, signal)],
    ['DescribeNetworkInterfaces', (ec2) => ec2.describeEni(eniId, signal)],
    ['DescribeInstances', (ec2) => ec2.describeInstance(one, signal)],
    ['DescribeInstanceTypes', (ec2) => ec2.describeLimits('t3.medium', signal)],
    [
      'ModifyNetworkInterfaceAttribute',
      (ec2) => ec2.keepOnTermination(eniId, 'eni-attach-0123456789abcdef0', signal),
    ],
    ['DescribeSubnets', (ec2) => ec2.describeSubnet(subnetA, signal)],
    ['DescribeInstanceStatus', (ec2) => ec2.describeHealth(one, signal)],
    ['CreateTags', (ec2) => ec2.createClaim(eniId, me, '1:x', signal)],
    ['DeleteTags', (ec2) => ec2.deleteClaim(eniId, me, signal)],
    ['AttachNetworkInterface', () => attachIt()],
  ])('a role without ec2:%s: the error names it', async (action, call) => {
    const nothing: Policy = { Version: '2012-10-17', Statement: [] };
    world.lab.setPolicies(one, [nothing]);
    expect(await errorOf(call(ec2))).toMatchObject({
      code: 'aws-denied',
      retryable: false,
      details: { action: `ec2:${action}` },
    });
  });
});

const identity = () =>
  identityOf({
    instanceId: one,
    instanceType: 't3.medium',
    accountId: world.lab.accountId,
    region: world.lab.region,
    availabilityZone: 'eu-west-1a',
    availabilityZoneId: 'euw1-az1',
    vpcId,
  });
const depsOf = (): ClaimDeps => ({
  ec2,
  clock: systemClock,
  random: createSeededRandom(1),
  log,
  record: {
    load: () => Promise.resolve(undefined),
    save: () => Promise.resolve(),
    clear: () => Promise.resolve(),
  },
  unmanaged: { mark: () => Promise.resolve(), unmark: () => Promise.resolve() },
  progress: () => undefined,
  devices: { wait: (mac) => Promise.resolve({ name: 'ens6', index: 3, mac }) },
});
const actions = (): readonly string[] => world.lab.front.calls.map(({ action }) => action);

describe('a whole claim', () => {
  test('in a few calls, and back', async () => {
    const deps = depsOf();
    const { claimed } = await claimEni(deps, claimInputOf(identity()), signal);
    expect(claimed.eni).toMatchObject({ eniId, attachment: { instanceId: one, deviceIndex: 1 } });
    expect(claimed.subnet.ipv4Cidr).toBe('10.0.1.0/24');
    expect(actions().filter((action) => !action.startsWith('Describe'))).toEqual([
      'CreateTags',
      'AttachNetworkInterface',
    ]);
    await detachAndDrop(deps, { eni: claimed.eni, identity: identity() }, signal);
    expect(eni().tags).not.toHaveProperty('berth:owner');
    expect(eni().attachment).toBeUndefined();
  });

  test('with every first answer lost', async () => {
    const others = [1, 2].map(
      () => world.lab.ec2.addEni({ subnetId: subnetA, tags: inPool }).eniId,
    );
    fail('ec2:DescribeNetworkInterfaces', { kind: 'truncated' });
    fail('ec2:CreateTags', { kind: 'reset-after' });
    fail('ec2:AttachNetworkInterface', { kind: 'reset-after' });
    const { claimed } = await claimEni(depsOf(), claimInputOf(identity()), signal);
    const attached = [eniId, ...others].filter(
      (id) => world.lab.ec2.eni(id)!.attachment !== undefined,
    );
    expect(attached).toEqual([claimed.eni.eniId]);
    const owned = [eniId, ...others].filter(
      (id) => world.lab.ec2.eni(id)!.tags['berth:owner'] === me,
    );
    expect(owned).toEqual(attached);
    const attempts = world.lab.front.calls.filter(
      ({ action }) => action === 'AttachNetworkInterface',
    );
    // One read tells that the first, of which the answer was lost, was enough.
    expect(attempts.map(({ code }) => code)).toEqual(['reset-after']);
    expect(new Set(attempts.map(({ input }) => input['NetworkInterfaceId'])).size).toBe(1);
  });
});
