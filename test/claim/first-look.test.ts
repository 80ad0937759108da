// The first look at a pool, taken before it is known that it is the one.
import { expect, test } from 'vitest';
import { lookAhead } from '../../src/claim/first-look.ts';
import { answers, script } from '../fakes/ec2.ts';
import { createClaimWorld } from '../fixtures/claim-world.ts';

const { signal } = new AbortController();

type Dials = Parameters<ReturnType<typeof createClaimWorld>['instances'][0]['start']>;

const createLook = ({
  guess = Promise.resolve('db'),
  dials = [],
}: { guess?: Promise<string | undefined>; dials?: Dials } = {}) => {
  const world = createClaimWorld({ enis: 1 });
  const { ec2 } = world.instances[0]!.start(...dials);
  const port = lookAhead({ ec2, clock: world.time }, guess, signal);
  const wait = (ms: number) => world.time.run(world.time.sleep(ms, signal));
  const look = (pool: string) => world.time.run(port.describePool(pool, signal));
  return { wait, look, calls: () => ec2.calls.map(({ target }) => target) };
};

test('it is asked at once, and serves the first who asks about that pool; later ones ask anew', async () => {
  const { wait, look, calls } = createLook();
  await wait(0);
  expect(calls()).toEqual(['db']);
  await wait(900);
  expect((await look('db')).map(({ eniId }) => eniId)).toEqual(['eni-0']);
  expect(calls()).toEqual(['db']);
  await look('db');
  expect(calls()).toEqual(['db', 'db']);
});

test('after a second it is too old', async () => {
  const { wait, look, calls } = createLook();
  await wait(1_100);
  await look('db');
  expect(calls()).toEqual(['db', 'db']);
});

test('the configuration names another pool', async () => {
  const { look, calls } = createLook();
  expect(await look('web')).toEqual([]);
  // That one may have been served before, so that the answer is not the first of its kind.
  await look('db');
  expect(calls()).toEqual(['db', 'web', 'db']);
});

test('its error is that of who looks first, and of nobody else', async () => {
  const { wait, look, calls } = createLook({
    dials: [{ fault: script({ describePool: [answers.throttled] }) }],
  });
  await wait(100);
  await expect(look('db')).rejects.toMatchObject({ code: 'aws-throttled' });
  expect(await look('db')).toHaveLength(1);
  expect(calls()).toEqual(['db', 'db']);
});

test('there is no guess: nothing is asked ahead', async () => {
  const { wait, look, calls } = createLook({ guess: Promise.resolve(undefined) });
  await wait(100);
  expect(calls()).toEqual([]);
  expect(await look('db')).toHaveLength(1);
  expect(calls()).toEqual(['db']);
});

test('a guess that comes late is waited for, and then it is asked', async () => {
  const late = Promise.withResolvers<string>();
  const { wait, look, calls } = createLook({ guess: late.promise });
  const looking = look('db');
  expect(calls()).toEqual([]);
  late.resolve('db');
  expect(await looking).toHaveLength(1);
  expect(calls()).toEqual(['db']);
  await wait(0);
});

test('a guess that fails is heard by who looks first', async () => {
  const { wait, look, calls } = createLook({ guess: Promise.reject(new Error('no metadata')) });
  await wait(100);
  await expect(look('db')).rejects.toThrow('no metadata');
  expect(await look('db')).toHaveLength(1);
  expect(calls()).toEqual(['db']);
});
