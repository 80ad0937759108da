// The daemon in this process, on a fake kernel and a hasty clock: a metadata service that comes minutes after it.
import { expect, test, vi } from 'vitest';
import { createPlay, factor } from './fixtures/daemon-play.ts';
import { one } from './lab/test-world.ts';

const lateMs = 90_000;

test('nobody serves metadata for longer than a look has patience: said, begun again, and ready when it comes', async () => {
  await using play = await createPlay();
  const { lab, fake, eni, end } = play;
  fake.kernel.links[1]!.mac = eni.mac;
  const imds = await lab.imds.serverFor(one);
  await imds.refuse();
  const said = (level: string): readonly unknown[] =>
    fake.log.lines.filter((line) => line['level'] === level).map((line) => line['msg']);

  const startMs = performance.now();
  const running = play.start(() => ({ udev: fake.udev }));
  await vi.waitFor(
    () => {
      expect((performance.now() - startMs) * factor).toBeGreaterThan(lateMs);
      expect(said('error')).not.toEqual([]);
    },
    { timeout: 10_000 },
  );
  expect(said('warn')).toContain('the metadata service does not answer as it should; trying again');
  expect(said('error')[0]).toMatch(
    /^cannot reach the metadata service at http:.*ECONNREFUSED.*; trying again in \d s$/,
  );
  expect(lab.front.calls).toEqual([]);

  await imds.accept();
  await vi.waitFor(() => expect(play.said()).toContain('is served on eth1'), { timeout: 10_000 });
  const actions = lab.front.calls.map(({ action }) => action);
  expect(actions.filter((action) => action === 'AttachNetworkInterface')).toHaveLength(1);
  end.abort();
  expect(await running).toBeUndefined();
});
