// The daemon on an instance whose clock is wrong at boot and is set right later. The clock of this machine is the
// instance's, so that it is AWS which is elsewhere in time.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../src/system/clock.ts';
import {
  createDaemonCloud,
  instanceId,
  isReady,
  type DaemonCloud,
} from './fixtures/daemon-cloud.ts';
import { temporaryFolder } from './fixtures/temporary-folder.ts';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import { until } from './lab/progress.ts';
import type { LabCall } from './lab/service.ts';
import { endpointAddress } from './lab/small-cloud.ts';
import { createTlsFront, needsOpenssl } from './lab/tls-front.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const yearMs = 365 * 86_400_000;
const preload = `--import=${join(import.meta.dirname, 'lab', 'fast-time.ts')}`;
const trust =
  /the certificate of the endpoint cannot be trusted \(certificate is not yet valid\); check the clock/;
const late = ['RequestExpired', 'InvalidSignatureException', 'ExpiredTokenException'];

let cloud: DaemonCloud;
/** How far the clock of AWS is ahead of the instance's. */
let offsetMs = 0;
const labClock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + offsetMs };

const callsSince = (count: number): readonly LabCall[] => cloud.lab.front.calls.slice(count);

/** How often each service has refused a call since then for the time of its signature, or of its key. */
function refused(count: number): Readonly<Record<string, number>> {
  const calls = callsSince(count).filter(({ code }) => code !== undefined && late.includes(code));
  const of = (name: LabCall['service']): number =>
    calls.filter(({ service }) => service === name).length;
  return { ssm: of('ssm'), ec2: of('ec2'), logs: of('logs') };
}

describe.skipIf(!inNamespaces)(`a wrong clock${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud({ clock: labClock, maxSkewMs: 15 * 60_000 });
  }, vpcWithinMs);
  afterEach(() => {
    offsetMs = 0;
    return cloud.reset();
  });
  afterAll(() => cloud[Symbol.asyncDispose]());

  test.skipIf(needsOpenssl !== '').each([
    ['Parameter Store', undefined],
    ['EC2', { pool: 'db' }],
  ])(
    `the certificate of %s is not valid yet: says so, and is ready without a restart when it is${needsOpenssl}`,
    async (_, config) => {
      using folder = temporaryFolder();
      const options = { host: endpointAddress, tooEarly: true };
      await using tls = await createTlsFront(cloud.lab.endpoint, folder.path, options);
      cloud.lab.ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
      const before = cloud.lab.front.calls.length;
      const env = { AWS_ENDPOINT_URL: tls.endpoint, NODE_EXTRA_CA_CERTS: tls.caFile };
      const daemon = cloud.start({ config, env });
      await daemon.line('the clock', (line) => trust.test(line.msg ?? ''));
      const { ready } = await cloud.status('the same', ({ message }) => trust.test(message));
      expect({ ready, calls: callsSince(before) }).toEqual({ ready: false, calls: [] });
      tls.renew();
      await daemon.line('ready', isReady);
      expect(cloud.held()).toHaveLength(1);
      expect(daemon.stderr()).toBe('');
    },
  );

  test.each([
    ['in 1970', 56 * yearMs, { ssm: 0, ec2: 1, logs: 1 }],
    // For the lab the keys of then have ended by now: it refuses until new ones are read, each minute at most.
    ['20 years ahead', -20 * yearMs, {}],
  ])('%s: AWS refuses a call of each service, and takes the next', async (_, ms, afterJump) => {
    offsetMs = ms;
    const file = { file_path: '/var/log/app.log', log_group_name: 'app' };
    const logs = { force_flush_interval: 1, logs_collected: { files: { collect_list: [file] } } };
    cloud.lab.ssm.put({ name: '/berth/config', value: JSON.stringify({ pool: 'db', logs }) });
    const write = (line: string): void =>
      appendFileSync(join(cloud.varOf('inst-a'), 'log', 'app.log'), `${line}\n`);
    const arrived = (line: string): Promise<boolean> =>
      until(
        `the line ${line} in CloudWatch`,
        30_000,
        () =>
          cloud.lab.logs.events('app', instanceId).some(({ message }) => message === line) ||
          undefined,
      );

    const atStart = cloud.lab.front.calls.length;
    write(`first ${ms}`);
    const env = { NODE_OPTIONS: preload, TIME_FACTOR: '240' };
    const daemon = await cloud.startReady({ config: undefined, env });
    expect(refused(atStart)).toMatchObject({ ssm: 1, ec2: 1 });
    const warned = daemon.lines.filter(({ msg }) => msg?.includes('or the clock is ahead'));
    expect(warned).toHaveLength(ms < 0 ? 1 : 0);
    await arrived(`first ${ms}`);
    expect(refused(atStart)).toMatchObject({ logs: 1 });

    const atJump = cloud.lab.front.calls.length;
    offsetMs = 0;
    write(`second ${ms}`);
    await arrived(`second ${ms}`);
    expect(await cloud.command('reload')).toMatchObject({ code: 0, stderr: '' });
    await until(
      'EC2 asked again',
      30_000,
      () =>
        callsSince(atJump).some(({ service, status }) => service === 'ec2' && status === 200) ||
        undefined,
    );
    expect(refused(atJump)).toMatchObject(afterJump);
    expect(cloud.held()).toHaveLength(1);
    expect(daemon.stderr()).toBe('');
  });
});
