// The SDK's CloudFormation and Auto Scaling clients against the lab: what they send, and what a refusal means.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSignalCalls, type SignalCalls } from '../../src/tell/signal-calls.ts';
import { signalPolicies } from '../fixtures/role.ts';
import { createTestWorld, one, two, type TestWorld } from '../lab/test-world.ts';

const stack = { stack: 'web', resource: 'Fleet' };
const hook = { group: 'web-group', hook: 'up' };
const { signal } = new AbortController();

let world: TestWorld;
let calls: SignalCalls;
let asked: boolean[];
beforeEach(async () => {
  world = await createTestWorld();
  process.env['AWS_ENDPOINT_URL'] = world.lab.endpoint;
  const { lab } = world;
  lab.setPolicies(one, signalPolicies());
  lab.stacks.create('web', { resource: 'Fleet', count: 2 });
  lab.groups.put({
    name: 'web-group',
    tags: { 'berth:pool': 'db' },
    hooks: { up: { on: 'launch', heartbeatTimeoutMs: 60_000 } },
  });
  lab.groups.move('web-group', one, 'InService');
  asked = [];
  const access = {
    region: lab.region,
    credentials: async (fresh: boolean) => {
      asked.push(fresh);
      return lab.credentialsFor(one);
    },
  };
  calls = createSignalCalls(access, one);
});
afterEach(() => world[Symbol.asyncDispose]());

const succeed = () => calls.signalStack(stack, 'SUCCESS', signal);
const signals = () => [...world.lab.stacks.stack('web')!.signals];
const policiesWithout = (tag: string): void =>
  world.lab.groups.put({
    name: 'web-group',
    tags: { 'berth:pool': tag },
    hooks: { up: { on: 'launch', heartbeatTimeoutMs: 60_000 } },
  });

describe('a stack', () => {
  test('hears of this instance, once however often it is told', async () => {
    await succeed();
    await succeed();
    expect(signals()).toEqual([[one, 'SUCCESS']]);
    expect(world.lab.stacks.stack('web')!.status).toBe('CREATE_IN_PROGRESS');
  });

  test('by its ARN', async () => {
    const { id } = world.lab.stacks.stack('web')!;
    await calls.signalStack({ ...stack, stack: id }, 'FAILURE', signal);
    expect(signals()).toEqual([[one, 'FAILURE']]);
  });

  test('that is complete waits for nobody', async () => {
    world.lab.stacks.create('web', { resource: 'Fleet', count: 1 });
    await succeed();
    await expect(succeed()).rejects.toMatchObject({
      code: 'aws-not-found',
      message: expect.stringMatching(/is in CREATE_COMPLETE state and cannot be signaled$/),
    });
  });

  test.each([
    ['another resource', { stack: 'web', resource: 'Other' }, 'aws-invalid'],
    ['another stack', { stack: 'other', resource: 'Fleet' }, 'aws-denied'],
  ])('%s', async (_name, other, code) => {
    await expect(calls.signalStack(other, 'SUCCESS', signal)).rejects.toMatchObject({ code });
  });
});

describe('a hook', () => {
  test('beats and goes on', async () => {
    await calls.recordHeartbeat(hook, signal);
    await calls.completeHook(hook, 'CONTINUE', signal);
    expect(world.lab.groups.events.map(({ what }) => what)).toEqual(['heartbeat', 'CONTINUE']);
    await expect(calls.completeHook(hook, 'CONTINUE', signal)).rejects.toMatchObject({
      code: 'aws-not-found',
    });
    await expect(calls.recordHeartbeat(hook, signal)).rejects.toMatchObject({
      code: 'aws-not-found',
    });
  });

  test('of another instance is not touched', async () => {
    world.lab.groups.forget(one);
    world.lab.groups.move('web-group', two, 'InService');
    await expect(calls.completeHook(hook, 'ABANDON', signal)).rejects.toMatchObject({
      code: 'aws-not-found',
    });
    expect(world.lab.groups.waiting(two)).toEqual(['up']);
  });

  test('of a group of another pool is denied', async () => {
    policiesWithout('web');
    await expect(calls.completeHook(hook, 'CONTINUE', signal)).rejects.toMatchObject({
      code: 'aws-denied',
    });
  });
});

test('credentials that AWS refuses are read anew', async () => {
  const fault = { kind: 'error', status: 403, code: 'ExpiredToken' } as const;
  world.lab.front.fail({ match: 'cloudformation:*', times: 1, fault });
  await expect(succeed()).rejects.toMatchObject({ code: 'aws-credentials' });
  await succeed();
  await calls.recordHeartbeat(hook, signal);
  expect(asked.filter(Boolean)).toHaveLength(1);
  expect([asked[0], asked.at(-1)]).toEqual([false, false]);
});

test.each([
  [{ kind: 'error', status: 500, code: 'InternalFailure' }, 'aws-unavailable'],
  [{ kind: 'error', status: 400, code: 'Throttling' }, 'aws-throttled'],
  [{ kind: 'reset-after' }, 'aws-unknown-outcome'],
  [{ kind: 'html', status: 503 }, 'aws-unavailable'],
] as const)('%o is worth another try', async (fault, code) => {
  world.lab.front.fail({ match: '*', times: 1, fault });
  await expect(succeed()).rejects.toMatchObject({ code, retryable: true });
  await succeed();
  expect(signals()).toHaveLength(1);
});
