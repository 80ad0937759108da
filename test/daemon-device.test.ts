// The daemon in this process, on a fake kernel and a hasty clock: what happens to the device minutes after the attach.
import { existsSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../src/system/clock.ts';
import type { Ports } from '../src/system/ports.ts';
import { createHastyClock } from './fakes/hasty-clock.ts';
import { createPlay, factor } from './fixtures/daemon-play.ts';
import { one } from './lab/test-world.ts';

test('udev renames the device after it was seen: served without a break from then on', async () => {
  await using play = await createPlay();
  const { lab, fake, eni, said, end } = play;
  const device = fake.kernel.links[1]!;
  device.mac = eni.mac;
  const udev: Ports['udev'] = {
    stateOf: () => {
      const seen = device.name === 'eth1';
      device.name = 'ens6';
      return Promise.resolve(seen ? 'busy' : 'done');
    },
  };
  const running = play.start(() => ({ udev }));
  const reconciled = (): number =>
    lab.front.calls.filter(({ action }) => action === 'DescribeNetworkInterfaces').length;
  await vi.waitFor(() => expect(said()).toContain('is served on ens6'), { timeout: 10_000 });
  const before = reconciled();
  await vi.waitFor(() => expect(reconciled()).toBeGreaterThan(before + 1), { timeout: 20_000 });
  expect(said()).not.toContain('not ready any more');
  end.abort();
  await running;
});

test('the metadata service does not answer the address at first: ready all the same, and said until it does', async () => {
  await using play = await createPlay();
  const { fake, eni, said, end } = play;
  fake.kernel.links[1]!.mac = eni.mac;
  let refusals = 3;
  const running = play.start(({ http }) => ({
    udev: fake.udev,
    http: {
      request: (input, signal) => {
        if (input.localAddress === undefined) return http.request(input, signal);
        return refusals-- > 0
          ? Promise.reject(new Error('no answer'))
          : Promise.resolve({ status: 200, body: Buffer.alloc(0) });
      },
    },
  }));
  const ready = (): readonly unknown[] =>
    fake.log.lines.filter((line) => line['phase'] === 'ready').map((line) => line['msg']);
  const served = `${eni.ipv4[0]} of ${eni.eniId} is served on eth1`;
  await vi.waitFor(() => expect(ready()).toHaveLength(3), { timeout: 10_000 });
  expect(ready()).toEqual([
    served,
    expect.stringMatching(`^${served}; http://.* does not answer .* \\(no answer\\)`),
    served,
  ]);
  expect(refusals).toBe(-1);
  expect(said()).not.toContain('not ready any more');
  end.abort();
  await running;
});

test('the device never comes: after 3 minutes the ENI is given back, and the daemon ends', async () => {
  await using play = await createPlay();
  const { lab, fake, eni, said, stateDir } = play;
  const hasty = createHastyClock(factor);
  const clock: Ports['clock'] = {
    ...hasty,
    // Shorter ones are of calls that take real time.
    deadline: (ms, parent) => systemClock.deadline(ms < 60_000 ? ms : ms / factor, parent),
  };
  const marker = `${stateDir}/claim/${eni.mac}`;
  const running = play.start(() => ({ udev: fake.udev, clock }));
  const ended = running.catch((error: unknown) => error);
  await vi.waitFor(() => expect(said()).toContain('EC2 says attached'), { timeout: 10_000 });
  const { eniId } = eni;
  expect(lab.ec2.eni(eniId)!.attachment).toMatchObject({ instanceId: one });
  expect(existsSync(marker)).toBe(true);
  expect(await ended).toMatchObject({ code: 'device-missing' });
  expect(said()).toContain(`after 180 s: EC2 attached ${eniId}, the kernel does not show it`);
  const { attachment, tags } = lab.ec2.eni(eniId)!;
  expect({ attachment, owner: tags['berth:owner'] }).toEqual({
    attachment: undefined,
    owner: undefined,
  });
  expect(existsSync(marker)).toBe(false);
}, 30_000);
