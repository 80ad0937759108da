// From attached to usable: device, attachment and subnet, and what happens when one of them does not come.
import { describe, expect, test } from 'vitest';
import { settle, type SettleDeps } from '../../src/claim/settle.ts';
import { BerthError } from '../../src/errors.ts';
import { answers, type FakeEc2Dials } from '../fakes/ec2.ts';
import {
  createClaimWorld,
  eniOf,
  killed,
  type ClaimWorld,
  type ClaimWorldOptions,
  type Run,
} from '../fixtures/claim-world.ts';

const never = new AbortController().signal;

type Settling = {
  readonly world: ClaimWorld;
  readonly run: Run;
  readonly settled: ReturnType<typeof settle>;
};

/** `eni-0` was attached to `i-0` a moment ago. */
function settling(
  options: Partial<ClaimWorldOptions> = {},
  dials: Partial<FakeEc2Dials> = {},
  change: (deps: SettleDeps, world: ClaimWorld) => SettleDeps = (deps) => deps,
): Settling {
  const world = createClaimWorld({ enis: 1, instances: 2, ...options });
  const eniId = 'eni-0';
  world.model.attach({ eniId, instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 });
  const run = world.instances[0]!.start(dials);
  const { identity } = world.instances[0]!;
  const { mac } = world.model.eni(eniId)!;
  const settled = settle(
    change(run.deps, world),
    { eni: eniOf({ mac }), identity, accepted: false },
    run.signal,
  );
  settled.catch(() => undefined);
  return { world, run, settled };
}

const reads = ({ ec2 }: Run): number =>
  ec2.calls.filter(({ method }) => method === 'describeEni').length;

/** Nothing of it goes on after the end. */
async function expectOver({ world, run }: Settling): Promise<void> {
  const before = run.ec2.calls.length;
  await world.time.run(world.time.sleep(600_000, never));
  expect(run.ec2.calls.length).toBe(before);
}

describe('usable', () => {
  test('when EC2 says attached and the kernel shows the device', async () => {
    const settling_ = settling();
    const { claimed, device } = await settling_.world.time.run(settling_.settled);
    expect(claimed.eni.attachment!.status).toBe('attached');
    expect(device.mac).toBe(claimed.eni.mac);
    expect(settling_.world.time.monotonicMs()).toBeLessThan(4_000);
    await expectOver(settling_);
  });

  test('EC2 is asked again as soon as the kernel shows the device', async () => {
    const deviceAtMs = 10_000;
    const quick = settling({ dials: { attachMs: deviceAtMs } }, {}, (deps, world) => ({
      ...deps,
      devices: {
        wait: async (mac, signal) => {
          await world.time.sleep(deviceAtMs, signal);
          return { name: 'ens6', index: 3, mac };
        },
      },
    }));
    await quick.world.time.run(quick.settled);
    expect(quick.world.time.monotonicMs()).toBeLessThan(deviceAtMs + 500);
  });

  test('a subnet of which IMDS does not tell the block yet is asked for', async () => {
    const world = createClaimWorld({ enis: 1 });
    const instance = world.instances[0]!;
    const primarySubnet = { subnetId: 'subnet-a', ipv4Cidr: undefined, ipv6Cidrs: [] };
    const eniId = 'eni-0';
    world.model.attach({ eniId, instanceId: 'i-0', deviceIndex: 1, networkCardIndex: 0 });
    const { mac } = world.model.eni(eniId)!;
    const identity = { ...instance.identity, primarySubnet };
    const { deps, signal } = instance.start();
    const { claimed } = await world.time.run(
      settle(deps, { eni: eniOf({ mac }), identity, accepted: false }, signal),
    );
    expect(claimed.subnet.ipv4Cidr).toBe('10.0.0.0/24');
  });

  test('the subnet of the primary is known; another one is asked for', async () => {
    const known = settling();
    await known.world.time.run(known.settled);
    expect(known.run.ec2.calls.map(({ method }) => method)).not.toContain('describeSubnet');

    const world = createClaimWorld({ enis: 0 });
    world.model.addSubnet({
      ...world.model.subnet('subnet-a')!,
      subnetId: 'subnet-b',
      ipv4Cidr: '10.0.9.0/24',
    });
    world.model.addEni({ eniId: 'eni-9', subnetId: 'subnet-b', tags: { 'berth:pool': 'db' } });
    const { claimed } = await world.time.run(world.instances[0]!.start().claim());
    expect(claimed.subnet).toEqual({
      subnetId: 'subnet-b',
      ipv4Cidr: '10.0.9.0/24',
      ipv6Cidrs: [],
    });
  });

  test('reads that lag, fail or still show another holder only delay it', async () => {
    let reads = 0;
    const late = settling(
      {},
      { readLagMs: () => 5_000, fault: () => (++reads < 3 ? answers.throttled : undefined) },
    );
    await late.world.time.run(late.settled);
    expect(late.world.time.monotonicMs()).toBeLessThan(15_000);
  });
});

describe('late', () => {
  test('a warning at 60 s, once', async () => {
    const late = settling({ dials: { attachMs: 100_000 } });
    await late.world.time.run(late.settled);
    const { lines } = late.world.log;
    expect(lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg)).toEqual([
      'eni-0 is attached and still not usable after 60 s',
    ]);
    expect(lines.filter((line) => line['step'] === 'attached')).toHaveLength(1);
  });

  test('no device after 180 s: device-missing, and nothing goes on', async () => {
    const stuck = settling();
    stuck.world.instances[0]!.kernel.showsDevices = false;
    const error = await stuck.world.time.run(stuck.settled.catch((error: unknown) => error));
    expect(error).toMatchObject({ code: 'device-missing' });
    expect(stuck.world.time.monotonicMs()).toBe(180_000);
    expect(reads(stuck.run)).toBeLessThan(60);
    await expectOver(stuck);
  });

  test('a device, but never "attached": timeout', async () => {
    const stuck = settling({ dials: { attachMs: 3_600_000 } }, {}, (deps) => ({
      ...deps,
      devices: { wait: (mac) => Promise.resolve({ name: 'ens6', index: 3, mac }) },
    }));
    const error = await stuck.world.time.run(stuck.settled.catch((error: unknown) => error));
    expect(error).toMatchObject({ code: 'timeout' });
    expect(stuck.world.time.monotonicMs()).toBe(180_000);
  });

  test('no device, and EC2 shows no attachment for 30 s: gone', async () => {
    const gone = settling();
    gone.world.instances[0]!.kernel.showsDevices = false;
    gone.world.model.detach(gone.world.model.eni('eni-0')!.attachment!.attachmentId);
    const error = await gone.world.time.run(gone.settled.catch((error: unknown) => error));
    expect(error).toMatchObject({
      code: 'eni-gone',
      message: expect.stringContaining('nobody') as string,
    });
    expect(gone.world.time.monotonicMs()).toBeGreaterThan(30_000);
    expect(gone.world.time.monotonicMs()).toBeLessThan(45_000);
    await expectOver(gone);
  });
});

describe('what fails ends the rest', () => {
  test('the devices cannot be listed', async () => {
    const broken = new BerthError('command-missing', 'cannot run ip');
    const failed = settling({ dials: { attachMs: 3_600_000 } }, {}, (deps) => ({
      ...deps,
      devices: { wait: () => Promise.reject(broken) },
    }));
    await expect(failed.world.time.run(failed.settled)).rejects.toBe(broken);
    await expectOver(failed);
  });

  test('a stop, at once', async () => {
    const stopped = settling({ dials: { attachMs: 3_600_000 } });
    await stopped.world.time.run(stopped.world.time.sleep(5_000, never));
    stopped.run.kill();
    await expect(stopped.world.time.run(stopped.settled)).rejects.toBe(killed);
    expect(stopped.world.time.monotonicMs()).toBe(5_000);
    await expectOver(stopped);
  });
});
