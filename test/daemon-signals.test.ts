// The real daemon in a group and a stack: what AWS is told, when, and that the claim waits for none of it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Status, StatusSignal } from '../src/model/status.ts';
import { createDaemonCloud, instanceId, type DaemonCloud } from './fixtures/daemon-cloud.ts';
import { signalPolicies } from './fixtures/role.ts';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import type { LabCall } from './lab/service.ts';
import { poolEni } from './lab/small-cloud.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const tags = {
  'berth:pool': 'db',
  'aws:cloudformation:stack-name': 'web',
  'aws:cloudformation:logical-id': 'Fleet',
  'aws:autoscaling:groupName': 'web-group',
};
const hooks = { launchHook: 'up', terminateHook: 'down' };
const signals = { cloudFormation: {}, autoScaling: hooks };
const config = { pool: 'db', signals };
const nothingThere = {
  pools: [{ name: 'empty', waitSeconds: 1 }],
  signals: { ...signals, autoScaling: { ...hooks, abandon: true } },
};

let cloud: DaemonCloud;

const stack = () => {
  const { status, signals: heard } = cloud.lab.stacks.stack('web')!;
  return { status, heard: Object.fromEntries(heard) };
};
/** Since the test began. */
let before = 0;
const calls = (service: LabCall['service']): readonly LabCall[] =>
  cloud.lab.front.calls.slice(before).filter((call) => call.service === service);
const told = () => cloud.lab.groups.events.map(({ hook, what, target }) => [hook, what, target]);
const move = (target: Parameters<typeof cloud.lab.groups.move>[2]): void =>
  cloud.lab.groups.move('web-group', instanceId, target);

const saying =
  (state: StatusSignal['state'], ...to: readonly StatusSignal['to'][]) =>
  ({ signals: said }: Status): boolean =>
    to.every((one) => said.some((signal) => signal.to === one && signal.state === state));
const isLost = ({ signals: said }: Status): boolean =>
  said.some(({ message }) => message.startsWith('nothing waits yet for hook up'));
const tries = (): number => calls('autoscaling').length + calls('cloudformation').length;
const bothTold = saying('told', 'cloudformation', 'launch-hook');

describe.skipIf(!inNamespaces)(`signals${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
    cloud.lab.imds.change(instanceId, { tags });
  }, vpcWithinMs);
  beforeEach(() => {
    const { lab } = cloud;
    before = lab.front.calls.length;
    lab.setPolicies(instanceId, signalPolicies());
    lab.stacks.create('web', { resource: 'Fleet', count: 1 });
    lab.groups.put({
      name: 'web-group',
      tags: { 'berth:pool': 'db' },
      hooks: {
        up: { on: 'launch', heartbeatTimeoutMs: 300_000 },
        down: { on: 'terminate', heartbeatTimeoutMs: 300_000 },
      },
    });
  });
  afterEach(async () => {
    await cloud.reset();
    cloud.lab.groups.forget(instanceId);
  });
  afterAll(() => cloud[Symbol.asyncDispose]());

  test('ready: the stack and the launch hook hear it once, also over a restart', async () => {
    move('InService');
    const daemon = await cloud.startReady({ config });
    await cloud.status('both told', bothTold);
    expect(stack()).toEqual({ status: 'CREATE_COMPLETE', heard: { [instanceId]: 'SUCCESS' } });
    expect(told()).toEqual([['up', 'CONTINUE', 'InService']]);
    expect((await cloud.command('status')).stdout).toMatch(
      /^cloudformation +stack web\/Fleet: SUCCESS, this instance is ready$/m,
    );
    daemon.kill('SIGKILL');
    await daemon.ended;
    await cloud.startReady({ config });
    const { signals: said } = await cloud.status('both told before', bothTold);
    expect(said.map(({ message }) => message)).toEqual([
      'stack web/Fleet: told before this start',
      'hook web-group/up: service: told before this start',
    ]);
    expect([calls('cloudformation').length, calls('autoscaling').length]).toEqual([1, 1]);
  });

  test('a pool that stays empty: the stack fails, the launch is abandoned', async () => {
    move('InService');
    cloud.start({ config: nothingThere });
    const { signals: said, phase } = await cloud.status('both told', bothTold);
    expect(phase).toBe('gave-up');
    expect(said[0]!.message).toMatch(/^stack web\/Fleet: FAILURE, .*pool empty/);
    expect(stack()).toEqual({
      status: 'ROLLBACK_IN_PROGRESS',
      heard: { [instanceId]: 'FAILURE' },
    });
    expect(told()).toEqual([['up', 'ABANDON', 'InService']]);
  });

  test('too late for the stack; the hook goes on when it is ready at last', async () => {
    move('InService');
    const held = cloud.gate.hold('AttachNetworkInterface');
    cloud.start({ config: { ...config, signals: { ...signals, timeoutSeconds: 1 } } });
    await held;
    const late = await cloud.status('a failure', saying('told', 'cloudformation'));
    expect(late.signals[0]!.message).toMatch(/FAILURE, not ready within 1 s: [a-z]/);
    expect(told()).toEqual([]);
    cloud.gate.release();
    await cloud.status('both told', bothTold);
    expect(told()).toEqual([['up', 'CONTINUE', 'InService']]);
    expect(stack().heard).toEqual({ [instanceId]: 'FAILURE' });
  });

  test('a termination: given back first, then the hook goes on', async () => {
    move('InService');
    await cloud.startReady({ config });
    await cloud.status('both told', bothTold);
    const seen: unknown[] = [];
    const stop = cloud.lab.front.onCall(({ action, input }) => {
      if (action !== 'CompleteLifecycleAction') return;
      const { status, tags: left } = cloud.lab.ec2.eni(poolEni.eniId)!;
      seen.push([input['LifecycleHookName'], status, left['berth:owner']]);
    });
    move('Terminated');
    await cloud.status('the hook told', saying('told', 'terminate-hook'));
    stop();
    expect(seen).toEqual([['down', 'available', undefined]]);
    expect(told().at(-1)).toEqual(['down', 'CONTINUE', 'Terminated']);
    expect(cloud.lab.groups.waiting(instanceId)).toEqual([]);
  });

  test('in the warm pool it claims nothing and lets the group go on; in service it claims', async () => {
    move('Warmed:Running');
    const daemon = cloud.start({ config });
    await cloud.status('warm', ({ phase }) => phase === 'warm');
    await cloud.status('the hook told', saying('told', 'launch-hook'));
    expect(told()).toEqual([['up', 'CONTINUE', 'Warmed:Running']]);
    expect([...calls('ec2'), ...calls('cloudformation')]).toEqual([]);
    move('InService');
    await daemon.line('ready', (line) => line['phase'] === 'ready');
    await cloud.status('both told', bothTold);
    expect(told().at(-1)).toEqual(['up', 'CONTINUE', 'InService']);
    expect(cloud.held()).toHaveLength(1);
    // A group that reuses its instances takes it back, and out again.
    move('Warmed:Running');
    await cloud.status('warm again', ({ phase }) => phase === 'warm');
    expect(cloud.held()).toEqual([]);
    await cloud.status('the other hook told', saying('told', 'terminate-hook'));
    expect(told().at(-1)).toEqual(['down', 'CONTINUE', 'Warmed:Running']);
    move('InService');
    await cloud.status('ready again', ({ ready }) => ready);
    expect(cloud.held()).toHaveLength(1);
  });

  test('endpoints that fail or are silent are in nobody’s way', async () => {
    move('InService');
    const { front } = cloud.lab;
    const error = { kind: 'error', status: 500, code: 'InternalFailure' } as const;
    front.fail({ match: 'cloudformation:*', times: 2, fault: error });
    front.fail({ match: 'autoscaling:*', times: 1, fault: { kind: 'slow', ms: 6_000 } });
    const daemon = await cloud.startReady({ config });
    const failing = await cloud.status('a failure', saying('failing', 'cloudformation'));
    expect(failing).toMatchObject({ ready: true });
    const isTold = saying('told', 'cloudformation');
    // The hook was completed by the call whose answer came too late.
    const heard = await cloud.status('all done', (status) => isTold(status) && isLost(status));
    expect(heard.ready).toBe(true);
    expect(stack().status).toBe('CREATE_COMPLETE');
    expect(told()).toEqual([['up', 'CONTINUE', 'InService']]);
    const warned = daemon.lines.filter((line) => line['to'] === 'cloudformation');
    expect(warned.map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^cannot tell stack web\/Fleet: SUCCESS.*500/),
      expect.stringMatching(/^told stack web\/Fleet/),
    ]);
  });

  test('without permission it is said once, and the address is served', async () => {
    cloud.lab.setPolicies(instanceId, signalPolicies().slice(0, 3));
    move('InService');
    const daemon = await cloud.startReady({ config });
    const { signals: said } = await cloud.status(
      'two failures',
      saying('failing', 'cloudformation', 'launch-hook'),
    );
    expect(said.map(({ message }) => message).join()).toMatch(
      /lacks the permission cloudformation:SignalResource.*lacks the permission autoscaling:Complete/,
    );
    await vi.waitUntil(() => tries() >= 6, { timeout: 30_000 });
    expect(daemon.lines.filter(({ to }) => to !== undefined)).toHaveLength(2);
  });

  describe('killed between ready and the signal', () => {
    test('that had not arrived: the next start tells it', async () => {
      move('InService');
      const error = { kind: 'error', status: 503, code: 'ServiceUnavailable' } as const;
      cloud.lab.front.fail({ match: 'cloudformation:*', times: 1_000, fault: error });
      const daemon = await cloud.startReady({ config });
      await cloud.status('a failure', saying('failing', 'cloudformation'));
      daemon.kill('SIGKILL');
      await daemon.ended;
      cloud.lab.front.clearFaults();
      expect(stack().heard).toEqual({});
      await cloud.startReady({ config });
      await cloud.status('told', saying('told', 'cloudformation'));
      expect(stack()).toEqual({ status: 'CREATE_COMPLETE', heard: { [instanceId]: 'SUCCESS' } });
    });

    test('that had arrived: once more is no harm', async () => {
      move('InService');
      const held = cloud.gate.hold('SignalResource');
      const daemon = cloud.start({ config });
      await held;
      daemon.kill('SIGKILL');
      await daemon.ended;
      cloud.gate.release();
      await cloud.startReady({ config });
      const { signals: said } = await cloud.status('told', saying('told', 'cloudformation'));
      expect(said[0]!.message).toMatch(/nothing waits for it: .*cannot be signaled/);
      expect(stack()).toEqual({ status: 'CREATE_COMPLETE', heard: { [instanceId]: 'SUCCESS' } });
    });
  });
});
