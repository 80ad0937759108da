// The unit on an instance in trouble, under a real systemd: a full /var, a root that nobody can write to, another name.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMachines, type Machine, type Machines } from './fixtures/machines.ts';
import { whyNoCheckout } from './lab/booted-instance.ts';
import { until } from './lab/progress.ts';
import { instances } from './lab/small-cloud.ts';

const reason = whyNoCheckout === undefined ? '' : ` (skipped: ${whyNoCheckout})`;

/** Neither a block nor an inode is left, as on a full ext4. What is in there stays as it was, but for caches. */
const fillVar = `
set -e
mkdir -p /mnt/var
mount -t tmpfs -o size=16m,nr_inodes=600 tmpfs /mnt/var
cd /var
cp -a --parents lib/berth log/app.log tmp /mnt/var
mount --bind /mnt/var /var
cd /var
dd if=/dev/zero of=filler bs=4k 2>/dev/null || true
i=0
while mkdir "filler.$i" 2>/dev/null; do i=$((i + 1)); done
! echo x 2>/dev/null >/var/tmp/x
`;

describe.skipIf(whyNoCheckout !== undefined)(`an instance in trouble${reason}`, () => {
  let machines: Machines;
  let machine: Machine;
  const stack = new AsyncDisposableStack();
  const said = (): Promise<string> =>
    machine.said('sh', '-c', 'journalctl --unit=berth --no-pager --output=cat');
  const sh = (script: string): Promise<string> => machine.succeed('sh', '-c', script);
  const attaches = (): number =>
    machines.cloud.lab.front.calls.filter(({ action }) => action === 'AttachNetworkInterface')
      .length;
  const arrives = async (line: string): Promise<void> => {
    await sh(`echo '${line}' >>/var/log/app.log`);
    const { instanceId } = instances['inst-a'];
    await until(`"${line}" in CloudWatch`, 60_000, () =>
      machines.cloud.lab.logs.events('app', instanceId).some(({ message }) => message === line)
        ? true
        : undefined,
    );
  };

  beforeAll(async () => {
    machines = stack.use(await createMachines());
    const collect_list = [{ file_path: '/var/log/app.log', log_group_name: 'app' }];
    const logs = { force_flush_interval: 1, logs_collected: { files: { collect_list } } };
    const value = JSON.stringify({ pool: 'db', logs });
    machines.cloud.lab.ssm.put({ name: '/berth/config', value });
    const disk = stack.use(await machines.image.copy());
    await disk.enable('berth.service');
    await disk.write('/var/log/app.log', '');
    machine = stack.use(await machines.launch('inst-a', disk, undefined));
    await machine.ready();
  }, 400_000);
  afterAll(() => stack.disposeAsync());

  test('/var is full: the unit starts, the address is served, and log and doctor say it', async () => {
    await arrives('before');
    await sh(fillVar);
    await machine.succeed('systemctl', 'restart', 'berth');
    await machine.ready();
    expect(await machines.isServed()).toBe(true);
    expect(await said()).toMatch(/cannot write \/var\/lib\/berth\/\S+: the disk is full.*ENOSPC/);
    expect(await machine.said('berth', 'doctor')).toContain('the disk of /var/lib/berth is full');
    await sh('cd / && umount /var');
    await machine.succeed('systemctl', 'restart', 'berth');
    await machine.ready();
    await arrives('room again');
    expect(attaches()).toBe(1);
  }, 200_000);

  test('nobody can write to the root: the unit starts, and finds its ENI', async () => {
    await machine.succeed('systemctl', 'stop', 'berth');
    await sh('mount -o remount,bind,ro / && ! touch /var/lib/x 2>/dev/null');
    await machine.succeed('systemctl', 'start', 'berth');
    await machine.ready();
    expect(await machines.isServed()).toBe(true);
    expect(await said()).toMatch(/cannot write \/var\/lib\/berth\/[^ ]+ \(EROFS/);
    expect(attaches()).toBe(1);
    // Where it has never run there is no folder for state, and systemd cannot make one.
    await machine.succeed('systemctl', 'stop', 'berth');
    await sh('mount -o remount,bind,rw / && mv /var/lib/berth /var/lib/away');
    await sh('mount -o remount,bind,ro / && ! systemctl start berth 2>/dev/null');
    const status = ['systemctl', 'show', 'berth', '--property=ExecMainStatus', '--value'] as const;
    expect(await machine.succeed(...status)).toBe('238');
    await sh('mount -o remount,bind,rw / && mv /var/lib/away /var/lib/berth');
    await machine.succeed('systemctl', 'start', 'berth');
    await machine.ready();
  }, 200_000);

  test('its name changes: berth goes on, also over a restart, in the same log stream', async () => {
    const pid = await machine.mainPid();
    await machine.succeed('hostnamectl', 'set-hostname', 'renamed');
    await arrives('renamed');
    expect(await machine.mainPid()).toBe(pid);
    await machine.succeed('systemctl', 'restart', 'berth');
    await machine.ready();
    await arrives('restarted');
    expect(await machines.isServed()).toBe(true);
    expect(attaches()).toBe(1);
  }, 200_000);
});
