// The unit under a real systemd: READY, the sandbox, stop, restart, kill; nothing of the daemon is replaced.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootInstance, whyNoCheckout, type BootedInstance } from './lab/booted-instance.ts';
import { install } from './fixtures/installation.ts';
import { sysctlsOf } from '../src/route/sysctls.ts';
import { until } from './lab/progress.ts';
import { createSmallCloud, instances, poolEni, type SmallCloud } from './lab/small-cloud.ts';

const reason = whyNoCheckout === undefined ? '' : ` (skipped: ${whyNoCheckout})`;

describe.skipIf(whyNoCheckout !== undefined)(`berth.service under systemd${reason}`, () => {
  let cloud: SmallCloud;
  let instance: BootedInstance;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    cloud = stack.use(await createSmallCloud({}));
    const journald = {
      collect_list: [{ log_group_name: 'journal', units: ['berth.service'] }],
    };
    const logs = { force_flush_interval: 1, logs_collected: { journald } };
    cloud.lab.ssm.put({ name: '/berth/config', value: JSON.stringify({ pool: 'db', logs }) });
    instance = stack.use(await bootInstance(cloud, 'inst-a'));
    await instance.run('mkdir', '-p', '/etc/ssh');
  }, 300_000);
  afterAll(() => stack.disposeAsync());

  const show = async (property: string): Promise<string> =>
    (
      await instance.run('systemctl', 'show', 'berth', `--property=${property}`, '--value')
    ).out.trim();
  /** The address where it is served; what went wrong where it is not. */
  const answering = async (): Promise<string | undefined> => {
    const { answer, error } = await cloud.vpc.probe('far', poolEni.privateIpv4, 7000, 20_000);
    return answer?.localAddress ?? error;
  };
  const succeed = async (...argv: readonly string[]): Promise<void> => {
    const { code, out } = await instance.run(...argv);
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${out}`);
  };
  test('installed as the README says: READY from the main process, and the address is served', async () => {
    await cloud.vpc.serve('inst-a', 7000);
    await succeed('mkdir', '-p', '/etc/systemd/system/systemd-networkd.service.d');
    await instance.write(
      '/etc/systemd/system/systemd-networkd.service.d/debug.conf',
      '[Service]\nEnvironment=SYSTEMD_LOG_LEVEL=debug\n',
    );
    await succeed('systemctl', 'daemon-reload');
    await succeed('systemctl', 'start', 'systemd-networkd');
    await install(instance, { andStart: true });
    const networkd = await instance.run('journalctl', '--unit=systemd-networkd', '--no-pager');
    expect(networkd.out).toContain('new .network file: /usr/lib/systemd/network/01-berth.network');
    await instance.run('systemctl', 'stop', 'systemd-networkd.socket', 'systemd-networkd');
    const waited = await instance.run('berth', 'wait', '--timeout', '30');
    expect(waited.out).toContain(`${poolEni.privateIpv4} of ${poolEni.eniId} is served`);
    expect(await show('ActiveState')).toBe('active');
    expect(await answering()).toBe(poolEni.privateIpv4);
    expect(await show('StatusText')).toContain('is served on');
  });

  test('it runs as its own user with two capabilities', async () => {
    const { out } = await instance.run('cat', `/proc/${await show('MainPID')}/status`);
    const sets = [...out.matchAll(/^Cap(\w+):\s*(\w+)$/gm)];
    const rights = sets.map(([, name, bits]) => [name, BigInt(`0x${bits}`)]);
    // CAP_NET_ADMIN and CAP_DAC_READ_SEARCH, also for the programs that it runs.
    const both = (1n << 12n) | (1n << 2n);
    expect(Object.fromEntries(rights)).toEqual({
      Inh: both,
      Prm: both,
      Eff: both,
      Bnd: both,
      Amb: both,
    });
    expect(/^Uid:\s*(\d+)/m.exec(out)![1]).not.toBe('0');
    const status = await instance.run('stat', '-c', '%U:%G %a', '/run/berth/status.sock');
    expect(status.out.trim()).toBe('berth:berth 660');
  });

  test('it waits for no network, for no part of cloud-init, and nothing waits for it but the end of the boot', async () => {
    for (const property of ['Requires', 'Wants', 'BindsTo', 'Requisite', 'After', 'Before']) {
      const units = (await show(property)).split(' ');
      const holding = units.filter((unit) => /^(network-online|network-pre|cloud-)/.test(unit));
      expect({ property, holding }).toEqual({ property, holding: [] });
    }
    expect((await show('Before')).split(' ').toSorted()).toEqual([
      'multi-user.target',
      'shutdown.target',
    ]);
  });

  test('its sandbox lets it set the interface up, and opens no other kernel setting and no secret', async () => {
    const inSandbox = async (script: string): Promise<string> => {
      const argv = ['nsenter', '-t', await show('MainPID'), '-m', '--', 'sh', '-c', script];
      return (await instance.run(...argv)).out.trim();
    };
    const settings = sysctlsOf('eth1').map(({ name, value }) => ({ name, value }));
    const found: typeof settings = [];
    for (const { name } of settings) {
      found.push({ name, value: await inSandbox(`cat /proc/sys/${name}`) });
    }
    expect(found).toEqual(settings);
    expect(await inSandbox('echo 1 > /proc/sys/net/ipv4/ip_forward')).toContain('Read-only');
    expect(await inSandbox('echo x > /etc/x')).toContain('Read-only');
    await instance.write('/etc/ssh/ssh_host_test_key', 'secret');
    expect(await inSandbox('cat /etc/shadow; ls -A /etc/ssh')).toBe('');
  });

  test('it ships the journal out of its sandbox: its own log arrives', async () => {
    const { instanceId } = instances['inst-a'];
    const messages = (): readonly string[] =>
      cloud.lab.logs.events('journal', instanceId).map(({ message }) => message);
    await until('its own log in CloudWatch', 30_000, async () =>
      messages().some((message) => message.includes('is served')) ? true : undefined,
    );
    const own = messages().find((message) => message.includes('is served'))!;
    expect(JSON.parse(own)).toMatchObject({ _SYSTEMD_UNIT: 'berth.service' });
  }, 40_000);

  /** Resolves when systemd has started another process, and that serves. */
  const startedAgain = async (before: string): Promise<void> => {
    // A container with cgroup v1 is not told when a group is empty: systemd then waits for TimeoutStopSec, 20 s.
    await until(
      'another process',
      45_000,
      async () => ![before, '0'].includes(await show('MainPID')) || undefined,
    );
    await succeed('berth', 'wait', '--timeout', '30');
    expect(await answering()).toBe(poolEni.privateIpv4);
    expect(cloud.lab.ec2.eni(poolEni.eniId)!.attachment!.instanceId).toBe(
      instances['inst-a'].instanceId,
    );
  };
  const deaths = async (): Promise<unknown> => {
    const { out } = await instance.run('cat', '/run/berth/starts.json');
    return (JSON.parse(out) as { readonly deaths: unknown }).deaths;
  };

  test('kill -9: systemd starts it again, the same ENI, the address served throughout, and the death is counted', async () => {
    // Only a death soon after a start counts.
    await succeed('systemctl', 'restart', 'berth');
    await succeed('berth', 'wait', '--timeout', '30');
    expect(await deaths()).toBe(0);
    const before = await show('MainPID');
    await instance.run('systemctl', 'kill', '--signal=KILL', 'berth');
    expect(await answering()).toBe(poolEni.privateIpv4);
    await startedAgain(before);
    expect(await deaths()).toBe(1);
  }, 100_000);

  test('one that hangs is killed by the watchdog and started again', async () => {
    expect(await show('WatchdogUSec')).toBe('1min');
    const dropIn = '/etc/systemd/system/berth.service.d/watchdog.conf';
    await instance.write(dropIn, '[Service]\nWatchdogSec=3\n');
    await succeed('systemctl', 'daemon-reload');
    await succeed('systemctl', 'restart', 'berth');
    await succeed('berth', 'wait', '--timeout', '30');
    const before = await show('MainPID');
    await succeed('kill', '-STOP', before);
    await startedAgain(before);
    const { out } = await instance.run('journalctl', '--unit=berth', '--no-pager');
    expect(out).toContain('Watchdog timeout (limit 3s)');
    await succeed('rm', dropIn);
    await succeed('systemctl', 'daemon-reload');
    await succeed('systemctl', 'restart', 'berth');
    await succeed('berth', 'wait', '--timeout', '30');
  }, 140_000);

  test('stop ends it cleanly and keeps the address', async () => {
    await instance.run('systemctl', 'stop', 'berth');
    expect({ result: await show('Result'), state: await show('ActiveState') }).toEqual({
      result: 'success',
      state: 'inactive',
    });
    expect(await answering()).toBe(poolEni.privateIpv4);
    // udev looks there again at the next boot, before berth runs.
    const { mac } = cloud.lab.ec2.eni(poolEni.eniId)!;
    expect(await instance.run('test', '-e', `/var/lib/berth/claim/${mac}`)).toMatchObject({
      code: 0,
    });
  });

  /** It has failed, and was not started again. */
  const givesUp = async (code: string): Promise<void> => {
    await instance.run('systemctl', 'start', 'berth');
    await until(
      'it has failed',
      20_000,
      async () => (await show('ActiveState')) === 'failed' || undefined,
    );
    expect({ code: await show('ExecMainStatus'), restarts: await show('NRestarts') }).toEqual({
      code,
      restarts: '0',
    });
  };
  const lastWords = async (): Promise<string> =>
    (await instance.run('journalctl', '--unit=berth', '--no-pager', '--lines=5')).out;

  test('a wrong command line is not started again', async () => {
    await instance.write('/etc/default/berth', 'BERTH_FLAGS=--nonsense\n');
    await givesUp('64');
    expect(await lastWords()).toContain('--nonsense');
    await instance.write('/etc/default/berth', '');
  });

  test('nor is a wrong configuration', async () => {
    cloud.lab.ssm.put({ name: '/berth/config', value: '{"pooll":"db"}' });
    // With the last good copy it would go on with that.
    await instance.run('find', '/var/lib/berth', '-name', 'last-good-config.json', '-delete');
    await givesUp('78');
    expect(await lastWords()).toContain('did you mean pool?');
  });

  test('purged, it leaves nothing but its user and the address', async () => {
    const link = '/etc/systemd/system/multi-user.target.wants/berth.service';
    expect((await instance.run('test', '-h', link)).code).toBe(0);
    const { code, out } = await instance.run('apt-get', 'purge', '-y', 'berth');
    expect({ code, out }).toMatchObject({ code: 0 });
    expect(await show('LoadState')).toBe('not-found');
    for (const gone of [link, '/var/lib/berth', '/usr/libexec/berth', '/etc/default/berth']) {
      expect({ gone, ...(await instance.run('test', '-e', gone)) }).toMatchObject({ code: 1 });
    }
    expect(await answering()).toBe(poolEni.privateIpv4);
  }, 60_000);
});
