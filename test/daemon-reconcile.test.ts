// The daemon in this process, on a fake kernel and a hasty clock: an ENI that is held, minute after minute.
import { expect, test, vi } from 'vitest';
import { createPlay, type Play } from './fixtures/daemon-play.ts';
import type { LabCall } from './lab/service.ts';

const speed = 240;
const minuteMs = 60_000 / speed;

/** Serves, on a device that was there all along. */
async function serving(play: Play): Promise<{ readonly ended: Promise<void> }> {
  play.fake.kernel.links[1]!.mac = play.eni.mac;
  const ended = play.start(() => ({ udev: play.fake.udev }));
  await vi.waitFor(() => expect(play.said()).toContain('is served on eth1'), { timeout: 10_000 });
  return { ended };
}

const ofEc2 = ({ lab }: Play): readonly LabCall[] =>
  lab.front.calls.filter(({ service }) => service === 'ec2');

/** So many more calls to EC2 than there were. */
async function calls(play: Play, count: number): Promise<void> {
  const before = ofEc2(play).length;
  const most = { timeout: 2 * minuteMs * count + 10_000 };
  await vi.waitFor(() => expect(ofEc2(play).length).toBeGreaterThanOrEqual(before + count), most);
}

const addresses = ({ fake }: Play): readonly string[] =>
  fake.kernel.ipv4.addresses
    .filter(({ ifname }) => ifname === 'eth1')
    .map(({ address }) => address.split('/')[0]!);

test('an hour without EC2: served all the while, and looked after again when it is back', async () => {
  await using play = await createPlay(speed);
  const { ended } = await serving(play);
  const setUp = play.fake.kernel.lines.length;
  play.lab.front.fail({ match: 'ec2:*', times: Infinity, fault: { kind: 'reset-before' } });
  const sinceMs = performance.now();
  await vi.waitFor(() => expect(performance.now() - sinceMs).toBeGreaterThan(60 * minuteMs), {
    timeout: 70 * minuteMs,
    interval: 500,
  });
  expect(play.said()).toContain('serving on');
  expect(play.said()).not.toMatch(/not ready any more|lost/);
  expect(play.fake.kernel.lines.length).toBe(setUp);
  expect(play.lab.ec2.eni(play.eni.eniId)!.attachment).toBeDefined();

  play.lab.front.clearFaults();
  play.lab.ec2.deleteTags([play.eni.eniId], [{ key: 'berth:owner', value: undefined }]);
  await vi.waitFor(
    () => expect(play.lab.ec2.eni(play.eni.eniId)!.tags['berth:owner']).toMatch(/^arn:/),
    { timeout: 10_000 },
  );
  play.end.abort();
  await ended;
}, 120_000);

test('one EC2 call a minute, and no more, while nothing happens', async () => {
  await using play = await createPlay(speed);
  const { ended } = await serving(play);
  await calls(play, 1);
  const before = ofEc2(play).length;
  const sinceMs = performance.now();
  await vi.waitFor(() => expect(performance.now() - sinceMs).toBeGreaterThan(20 * minuteMs), {
    timeout: 30 * minuteMs,
    interval: 200,
  });
  const actions = ofEc2(play).slice(before);
  expect(new Set(actions.map(({ action }) => action))).toEqual(
    new Set(['DescribeNetworkInterfaces']),
  );
  // Each instance has a period of its own, of 60 to 90 s, and looks at its watch every 20.
  expect(actions.length).toBeGreaterThan(20 / 2);
  expect(actions.length).toBeLessThanOrEqual(21);
  play.end.abort();
  await ended;
}, 60_000);

test('an address that EC2 adds reaches the kernel, one that it takes leaves it, the others stay', async () => {
  await using play = await createPlay(speed);
  const { ended } = await serving(play);
  const { eniId, ipv4 } = play.eni;
  expect(addresses(play)).toEqual(ipv4);
  const { ipv4: wanted } = play.lab.ec2.assignAddresses(eniId, {
    addresses: ['10.0.1.77'],
    count: 0,
    allowReassignment: false,
  });
  await vi.waitFor(() => expect(addresses(play)).toEqual(wanted), { timeout: 10_000 });
  expect(wanted).toHaveLength(2);
  await vi.waitFor(
    () => expect(play.said()).toContain(`${wanted.join(', ')} of ${eniId} is served on eth1`),
    { timeout: 10_000 },
  );
  play.lab.ec2.unassignAddresses(eniId, ['10.0.1.77']);
  await vi.waitFor(() => expect(addresses(play)).toEqual(ipv4), { timeout: 10_000 });
  const taken = play.fake.kernel.lines.filter((line) => /^(addr|rule) del/.test(line));
  expect(taken.join('\n')).not.toContain(ipv4[0]!);
  play.end.abort();
  await ended;
}, 60_000);
