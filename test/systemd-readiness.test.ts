// What applications hang on, under a real systemd: berth-ready.target to start, berth-held.service to stop.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../src/model/status.ts';
import { bootInstance, whyNoCheckout, type BootedInstance } from './lab/booted-instance.ts';
import { install } from './fixtures/installation.ts';
import { until } from './lab/progress.ts';
import { createSmallCloud, poolEni, type SmallCloud } from './lab/small-cloud.ts';

const reason = whyNoCheckout === undefined ? '' : ` (skipped: ${whyNoCheckout})`;

/** Neither names berth.service: the units of berth start it. */
const applications = {
  'waits.service': ['Requires=berth-ready.target', 'After=berth-ready.target'],
  'bound.service': [],
} as const;
const withinMs = 60_000;

describe.skipIf(whyNoCheckout !== undefined)(`applications under systemd${reason}`, () => {
  let cloud: SmallCloud;
  let instance: BootedInstance;
  const stack = new AsyncDisposableStack();
  const succeed = async (...argv: readonly string[]): Promise<string> => {
    const { code, out } = await instance.run(...argv);
    expect({ argv, code, out }).toMatchObject({ code: 0 });
    return out.trim();
  };
  /** `active 1234`: its state and its process. */
  const stateOf = async (unit: string): Promise<string> => {
    const show = (property: string): Promise<string> =>
      succeed('systemctl', 'show', unit, `--property=${property}`, '--value');
    return `${await show('ActiveState')} ${await show('MainPID')}`;
  };
  const comesTo = (unit: string, state: RegExp): Promise<string> =>
    until(`${unit} is ${state.source}`, withinMs, async () => {
      const now = await stateOf(unit);
      return state.test(now) ? now : undefined;
    });
  const both = (): Promise<readonly string[]> =>
    Promise.all(Object.keys(applications).map((name) => stateOf(name)));
  const put = (value: string): number => cloud.lab.ssm.put({ name: '/berth/config', value });
  const ready = (): Promise<string> => succeed('berth', 'wait', '--timeout', '60');

  beforeAll(async () => {
    cloud = stack.use(await createSmallCloud({}));
    put('{"pool":"db"}');
    instance = stack.use(await bootInstance(cloud, 'inst-a'));
    await install(instance, { andStart: false });
    for (const [name, lines] of Object.entries(applications)) {
      const unit = ['[Unit]', ...lines, '[Service]', 'ExecStart=sleep infinity', ''].join('\n');
      await instance.write(`/run/systemd/system/${name}`, unit);
    }
    await succeed(
      'install',
      '-Dm',
      '644',
      '/usr/share/berth/examples/stop-when-lost.conf',
      '/run/systemd/system/bound.service.d/berth.conf',
    );
    await succeed('systemctl', 'daemon-reload');
    await succeed('systemctl', 'add-wants', 'berth-held.service', 'bound.service');
  }, 300_000);
  afterAll(() => stack.disposeAsync());

  test('they start berth, and start when the address is served', async () => {
    cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:pool': 'other' });
    await succeed('systemctl', 'start', '--no-block', ...Object.keys(applications));
    await until('berth waits for an ENI', withinMs, async () => {
      const { out } = await instance.run('berth', 'status', '--json');
      return out.includes('"waiting-for-eni"') || undefined;
    });
    expect(await both()).toEqual(['inactive 0', 'inactive 0']);
    expect(await stateOf('berth-wait.service')).toMatch(/^activating /);
    expect(await stateOf('berth-held.service')).toMatch(/^activating /);
    cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:pool': 'db' });
    await comesTo('waits.service', /^active/);
    await comesTo('bound.service', /^active/);
    expect(cloud.lab.ec2.eni(poolEni.eniId)!.attachment).toBeDefined();
  }, 120_000);

  const absences: readonly (readonly [string, readonly string[]])[] = [
    ['a restart', ['systemctl', 'restart', 'berth']],
    ['a crash', ['systemctl', 'kill', '--signal=KILL', 'berth']],
  ];
  test.each(absences)(
    '%s of berth touches neither',
    async (_what, argv) => {
      const before = await both();
      const berth = await stateOf('berth');
      const held = await stateOf('berth-held.service');
      await succeed(...argv);
      await until('another berth', withinMs, async () =>
        /^active [1-9]/.test(await stateOf('berth')) && (await stateOf('berth')) !== berth
          ? true
          : undefined,
      );
      await ready();
      expect(await both()).toEqual(before);
      expect(await stateOf('berth-held.service')).toBe(held);
    },
    120_000,
  );

  test('a reload touches neither, and fails where the new configuration is refused', async () => {
    const before = await both();
    const berth = await stateOf('berth');
    const version = put('{"pool":"db","monitoring":{}}');
    await succeed('systemctl', 'reload', 'berth');
    const { config } = JSON.parse(await succeed('berth', 'status', '--json')) as Status;
    expect(config).toMatchObject({ version, restartNeeded: [] });
    expect(await succeed('stat', '--format=%F', '/run/berth/http.sock')).toBe('socket');
    put('{"pol":"db"}');
    expect((await instance.run('systemctl', 'reload', 'berth')).code).not.toBe(0);
    expect(await succeed('berth', 'status')).toMatch(/^refused +version \d+: cannot use/m);
    put('{"pool":"db"}');
    await succeed('systemctl', 'reload', 'berth');
    expect(await succeed('systemctl', 'is-active', 'berth')).toBe('active');
    expect(await stateOf('berth')).toBe(berth);
    expect(await both()).toEqual(before);
  }, 120_000);

  test('a lost claim stops the bound one, which starts with the next claim', async () => {
    const [waits] = await both();
    cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:pool': 'other' });
    cloud.lab.ec2.detach(cloud.lab.ec2.eni(poolEni.eniId)!.attachment!.attachmentId, true);
    await comesTo('bound.service', /^inactive/);
    await comesTo('berth-held.service', /^activating/);
    expect(await stateOf('waits.service')).toBe(waits);
    cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:pool': 'db' });
    await comesTo('bound.service', /^active/);
    expect(await ready()).toContain(poolEni.privateIpv4);
    expect(await stateOf('waits.service')).toBe(waits);
  }, 200_000);

  test('so does one that is lost while berth is down', async () => {
    const held = await stateOf('berth-held.service');
    await succeed('systemctl', 'stop', 'berth');
    expect(await stateOf('berth-held.service')).toBe(held);
    cloud.lab.ec2.detach(cloud.lab.ec2.eni(poolEni.eniId)!.attachment!.attachmentId, true);
    await comesTo('bound.service', /^inactive/);
  }, 120_000);

  test('a release is a loss', async () => {
    await succeed('systemctl', 'start', 'berth', 'bound');
    await comesTo('bound.service', /^active/);
    await succeed('berth', 'release');
    await comesTo('bound.service', /^inactive/);
    expect(await stateOf('waits.service')).toMatch(/^active/);
  }, 120_000);

  test('they look where /etc/default/berth says, though it is for root alone', async () => {
    await instance.write('/etc/default/berth', 'BERTH_FLAGS=--runtime-dir=/run/berth/deep\n');
    await succeed('chmod', '600', '/etc/default/berth');
    await succeed('systemctl', 'restart', 'berth');
    await succeed('timeout', '60', 'systemctl', 'restart', 'berth-wait', 'berth-held');
    expect(await stateOf('berth-wait.service')).toMatch(/^active/);
    expect(await stateOf('berth-held.service')).toMatch(/^active/);
  }, 120_000);
});
