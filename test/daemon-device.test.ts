// The daemon in this process, on a fake kernel and a hasty clock: what happens to the device minutes after ready.
import { expect, test, vi } from 'vitest';
import { runDaemon } from '../src/daemon.ts';
import { createPorts, type Ports } from '../src/system/ports.ts';
import { createHastyClock } from './fakes/hasty-clock.ts';
import { createFakeRouteDeps } from './fakes/route-deps.ts';
import { temporaryFolder } from './fixtures/temporary-folder.ts';
import { createTestWorld, inPool, one, subnetA } from './lab/test-world.ts';

/** Reconciliation is due each minute. */
const factor = 60;

test('udev renames the device after it was seen: served without a break from then on', async () => {
  using folder = temporaryFolder();
  await using world = await createTestWorld();
  const { lab } = world;
  const imds = await lab.imds.serverFor(one);
  vi.stubEnv('AWS_ENDPOINT_URL', lab.endpoint);
  const { mac } = lab.ec2.addEni({ subnetId: subnetA, tags: inPool });

  const fake = createFakeRouteDeps();
  const [, device] = fake.kernel.links;
  Object.assign(device!, { mac });
  const udev: Ports['udev'] = {
    stateOf: () => {
      const seen = device!.name === 'eth1';
      device!.name = 'ens6';
      return Promise.resolve(seen ? 'busy' : 'done');
    },
  };
  using system = createPorts(fake.log);
  const files: Ports['files'] = {
    ...system.files,
    // Whoever runs the tests needs no right to set routes.
    readText: (path) =>
      path === '/proc/self/status' ? Promise.resolve(undefined) : system.files.readText(path),
  };
  const clock = createHastyClock(factor);
  const { exec, devices, sysctl, log } = fake;
  const ports = { ...system, exec, devices, sysctl, log, udev, files, clock };
  const end = new AbortController();
  const running = runDaemon(
    ports,
    {
      version: 'test',
      pid: process.pid,
      configFlag: folder.file('berth.json', JSON.stringify({ pool: 'db' })),
      stateDir: `${folder.path}/state`,
      runtimeDir: `${folder.path}/run`,
      environment: { AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.endpoint },
    },
    end.signal,
  );
  const said = (): string => log.lines.map((line) => line['msg']).join('\n');
  const reconciled = (): number =>
    lab.front.calls.filter(({ action }) => action === 'DescribeNetworkInterfaces').length;
  await vi.waitFor(() => expect(said()).toContain('is served on ens6'), { timeout: 10_000 });
  const before = reconciled();
  await vi.waitFor(() => expect(reconciled()).toBeGreaterThan(before + 1), { timeout: 20_000 });
  expect(said()).not.toContain('not ready any more');
  end.abort();
  await running;
});
