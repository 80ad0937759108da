// The role's credentials: one renewal for all, ahead of time, and the old ones through an outage.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRoleCredentials } from '../../src/boot/credentials.ts';
import { createBootWorld, type BootWorld } from '../fixtures/boot-world.ts';

const hourMs = 3_600_000;
const rolePath = 'meta-data/iam/security-credentials/berth-instance';

let world: BootWorld;
/** How often credentials were issued, and for how long they are good. */
let issued: number;
let goodForMs: number;
/** How far the instance's clock is ahead of that of AWS, by which they end. */
let offMs: number;

beforeEach(async () => {
  world = await createBootWorld();
  issued = 0;
  offMs = 0;
  goodForMs = 6 * hourMs;
  world.change({
    credentials: () => ({
      accessKeyId: `ASIALAB${++issued}`,
      secretAccessKey: 'SECRET-KEY',
      token: 'SECRET-SESSION',
      expiration: new Date(world.clock.nowMs() - offMs + goodForMs),
    }),
  });
});
afterEach(() => world[Symbol.asyncDispose]());

const create = () => createRoleCredentials(world, world.imds, world.signal);
const override = (body: string): void => {
  world.server.dials.overrides.set(rolePath, { status: 200, body });
};
const warnings = () => world.log.lines.filter(({ level }) => level === 'warn');

const setOff = (ms: number): void => {
  world.clock.jump(ms - offMs);
  offMs = ms;
};

describe('caching', () => {
  test('many callers share one request, and its result for hours', async () => {
    const credentials = create();
    const all = await Promise.all(Array.from({ length: 10 }, () => credentials()));
    world.clock.advance(5 * hourMs);
    all.push(await credentials());
    expect(new Set(all.map(({ accessKeyId }) => accessKeyId))).toEqual(new Set(['ASIALAB1']));
    expect(all[0]).toEqual({
      accessKeyId: 'ASIALAB1',
      secretAccessKey: 'SECRET-KEY',
      sessionToken: 'SECRET-SESSION',
      expiresAtMs: 1_800_000_000_000 + 6 * hourMs,
    });
  });

  test('renewed 10 to 20 min before they expire, not at the same moment everywhere', async () => {
    const credentials = create();
    await credentials();
    world.clock.advance(6 * hourMs - 20 * 60_000 - 1000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    world.clock.advance(10 * 60_000 + 1000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB2');
  });

  test('IMDS is not asked again and again while it hands out the old ones', async () => {
    goodForMs = 5 * 60_000;
    const credentials = create();
    await credentials();
    await credentials();
    expect(issued).toBe(1);
    world.clock.advance(2 * 60_000);
    await credentials();
    expect(issued).toBe(2);
  });

  test('refused by AWS: read anew at once, but not more than once a minute', async () => {
    const credentials = create();
    await credentials();
    world.clock.advance(60_000);
    expect((await credentials(true)).accessKeyId).toBe('ASIALAB2');
    world.clock.advance(59_000);
    expect((await credentials(true)).accessKeyId).toBe('ASIALAB2');
    world.clock.advance(1_000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB2');
    expect((await credentials(true)).accessKeyId).toBe('ASIALAB3');
  });

  test('the role is looked up at each renewal', async () => {
    const credentials = create();
    await credentials();
    world.change({ roleName: 'another' });
    world.clock.advance(5.9 * hourMs);
    expect((await credentials()).accessKeyId).toBe('ASIALAB2');
  });
});

describe('keeping the old ones', () => {
  const outages: readonly (readonly [string, () => void])[] = [
    ['is off', () => void (world.server.dials.mode = 'disabled')],
    ['has no role any more', () => world.change({ roleName: undefined })],
    ['talks garbage', () => override('<SECRET>')],
    ['hands out expired ones', () => void (goodForMs = -2 * hourMs)],
  ];
  test.each(outages)('while IMDS %s, and trying again after 5 min', async (_, breakIt) => {
    const credentials = create();
    await credentials();
    world.clock.advance(7 * hourMs);
    breakIt();
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    const asked = world.server.requests.length;
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    world.clock.advance(4 * 60_000);
    await credentials();
    expect(world.server.requests).toHaveLength(asked);
    expect(warnings()).toHaveLength(1);

    world.server.dials.mode = 'required';
    world.server.dials.overrides.clear();
    world.change({ roleName: 'berth-instance' });
    goodForMs = hourMs;
    world.clock.advance(7 * 60_000);
    expect((await credentials()).accessKeyId).not.toBe('ASIALAB1');
  });

  test('and nobody waits longer than 5 s for IMDS', async () => {
    const credentials = create();
    await credentials();
    world.clock.advance(7 * hourMs);
    world.server.dials.readFaults.push(...Array.from({ length: 100 }, () => 503));
    const beforeMs = world.clock.monotonicMs();
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    expect(world.clock.monotonicMs() - beforeMs).toBeLessThan(10_000);
  });

  test('expired ones are better than none', async () => {
    goodForMs = -1;
    expect((await create()()).accessKeyId).toBe('ASIALAB1');
  });
});

describe('a clock that jumps', () => {
  const yearsMs = 10 * 365 * 24 * hourMs;

  test('far ahead at boot, then set back: renewed when AWS refuses, and before they end', async () => {
    setOff(yearsMs);
    const credentials = create();
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    expect(warnings()).toMatchObject([{ msg: expect.stringContaining('the clock is ahead') }]);
    setOff(0);
    world.clock.advance(60_000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    expect((await credentials(true)).accessKeyId).toBe('ASIALAB2');
    world.clock.advance(6 * hourMs - 20 * 60_000 - 1000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB2');
    world.clock.advance(10 * 60_000 + 1000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB3');
  });

  test('far ahead at boot, then set back: those that are kept end no later for it', async () => {
    setOff(yearsMs);
    const credentials = create();
    await credentials();
    setOff(0);
    world.clock.advance(6 * hourMs - 10 * 60_000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB2');
  });

  test('far ahead while IMDS is away, then set back: tried again after 5 min', async () => {
    const credentials = create();
    await credentials();
    setOff(yearsMs);
    world.clock.advance(5.5 * hourMs);
    world.server.dials.mode = 'disabled';
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    setOff(0);
    world.server.dials.mode = 'required';
    world.clock.advance(25 * 60_000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB2');
  });

  test('in 1970 at boot, then right: renewed before they end, and no sooner', async () => {
    setOff(-1_800_000_000_000);
    const credentials = create();
    await credentials();
    world.clock.advance(hourMs);
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    setOff(0);
    world.clock.advance(5 * hourMs - 20 * 60_000 - 1000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
    world.clock.advance(10 * 60_000 + 1000);
    expect((await credentials()).accessKeyId).toBe('ASIALAB2');
  });

  test('in 1970 for good: renewed when AWS refuses them', async () => {
    setOff(-1_800_000_000_000);
    const credentials = create();
    await credentials();
    world.clock.advance(7 * hourMs);
    expect((await credentials(true)).accessKeyId).toBe('ASIALAB2');
    world.clock.advance(59_000);
    expect((await credentials(true)).accessKeyId).toBe('ASIALAB2');
  });
});

describe('without any', () => {
  test('no role: what to do, and another try may help', async () => {
    world.change({ roleName: undefined });
    const credentials = create();
    await expect(credentials()).rejects.toMatchObject({
      code: 'credentials-missing',
      retryable: true,
      message: expect.stringMatching(/^cannot get credentials: .*attach an instance profile/),
    });
    world.change({ roleName: 'berth-instance' });
    expect((await credentials()).accessKeyId).toBe('ASIALAB1');
  });

  test('a role that cannot be assumed', async () => {
    const body = '{"Code":"AssumeRoleUnauthorizedAccess","Message":"SECRET"}';
    override(body);
    await expect(create()()).rejects.toMatchObject({
      code: 'credentials-missing',
      message: expect.stringMatching(/AssumeRoleUnauthorizedAccess .*trusts ec2/),
    });
  });

  test.each([
    [rolePath, 'SECRET'],
    [rolePath, '{"Code":"Success","AccessKeyId":"SECRET","SecretAccessKey":7}'],
    [
      rolePath,
      '{"Code":"Success","AccessKeyId":"SECRET","SecretAccessKey":"SECRET","Token":"SECRET","Expiration":"soon"}',
    ],
    ['meta-data/iam/security-credentials', '<html>SECRET</html>'],
  ])('garbage in %s is named, not repeated', async (path, body) => {
    world.server.dials.overrides.set(path, { status: 200, body });
    const error: unknown = await create()().catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'imds-garbage', details: { path } });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('SECRET');
  });

  test.each(['null', '[]', '7', '{}'])('%s is no success', async (body) => {
    override(body);
    await expect(create()()).rejects.toMatchObject({ code: 'credentials-missing' });
  });
});
