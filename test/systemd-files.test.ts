// docs/files.md under a real systemd: its policy, its socket, its configuration; nothing of the writer is replaced.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../src/model/status.ts';
import { install } from './fixtures/installation.ts';
import { bootInstance, whyNoCheckout, type BootedInstance } from './lab/booted-instance.ts';
import { until } from './lab/progress.ts';
import { createSmallCloud, type SmallCloud } from './lab/small-cloud.ts';

const reason = whyNoCheckout === undefined ? '' : ` (skipped: ${whyNoCheckout})`;
const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'files.md'), 'utf8');
const [configuration, policy] = [...page.matchAll(/```(?:json|text)\n([\s\S]*?)```/g)].map(
  ([, block]) => block!,
);
const [enable] = [...page.matchAll(/```sh\n(.*)\n```/g)].map(([, line]) => line!);
const path = '/etc/myapp/myapp.conf';
const password = 'correct-horse';

/** It knows its configuration, and says when it read it again. */
const program = `#!/bin/sh
case $1 in
--check) sleep "$(cat /run/myapp.slow 2>/dev/null || echo 0)"; grep -q '^password .' "$2" || { echo "no password in $2"; exit 1; } ;;
--reload) cat ${path} >>/run/myapp.reloads ;;
*) exec sleep infinity ;;
esac
`;
const unit = `[Unit]
Requires=berth-ready.target
After=berth-ready.target
[Service]
User=myapp
ExecStart=/usr/bin/myapp
ExecReload=+/usr/bin/myapp --reload
[Install]
WantedBy=multi-user.target
`;

describe.skipIf(whyNoCheckout !== undefined)(`berth-files.socket under systemd${reason}`, () => {
  let cloud: SmallCloud;
  let instance: BootedInstance;
  const stack = new AsyncDisposableStack();
  const succeed = async (...argv: readonly string[]): Promise<string> => {
    const { code, out } = await instance.run(...argv);
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${out}`);
    return out.trim();
  };
  const change = (from: string, to: string): number =>
    cloud.lab.ssm.put({ name: '/berth/config', value: configuration!.replace(from, to) });
  const statusFiles = async (): Promise<Status['files']> =>
    (JSON.parse(await succeed('berth', 'status', '--json')) as Status).files;
  const comesTo = (state: 'in-place' | 'failing', message?: RegExp): Promise<unknown> =>
    until(`the file is ${state}`, 60_000, async () => {
      const [file] = await statusFiles();
      return (file?.state === state && (message?.test(file.message ?? '') ?? true)) || undefined;
    });
  const doctor = async (): Promise<string> =>
    (await instance.run('env', `AWS_ENDPOINT_URL=${cloud.lab.endpoint}`, 'berth', 'doctor')).out;
  const reloads = async (): Promise<number> =>
    (await instance.run('cat', '/run/myapp.reloads')).out
      .split('\n')
      .filter((line) => line.startsWith('password')).length;

  beforeAll(async () => {
    cloud = stack.use(await createSmallCloud({}));
    cloud.lab.ssm.put({ name: '/berth/config', value: configuration! });
    cloud.lab.ssm.put({ name: '/berth/myapp/port', value: '8080' });
    const secret = {
      name: '/berth/myapp/password',
      value: password,
      type: 'SecureString',
    } as const;
    cloud.lab.ssm.put(secret);
    instance = stack.use(await bootInstance(cloud, 'inst-a'));
    await install(instance, { andStart: false });
    await succeed('useradd', '--system', 'myapp');
    await succeed('mkdir', '-p', '/etc/myapp', '/etc/berth');
    await instance.write('/usr/bin/myapp', program);
    await succeed('chmod', '755', '/usr/bin/myapp');
    await instance.write('/run/systemd/system/myapp.service', unit);
    await succeed('systemctl', 'daemon-reload');
  }, 300_000);
  afterAll(() => stack.disposeAsync());

  test('without it the address is served, and doctor says what to do', async () => {
    await succeed('systemctl', 'start', 'berth');
    await succeed('berth', 'wait', '--timeout', '60');
    await comesTo('failing', /nobody listens on \/run\/berth-files\.sock/);
    const out = await doctor();
    expect(out).toContain(`fix: ${enable}`);
    expect(out).toContain(`${path}: there is no /etc/berth/files.json, which has to allow it`);
    await succeed('systemctl', 'stop', 'berth');
  }, 120_000);

  test('set up as the page says: the file is there when the service starts that waits for ready', async () => {
    await instance.write('/etc/berth/files.json', policy!);
    await succeed(...enable!.split(' '));
    await succeed('systemctl', 'start', 'myapp');
    expect(await succeed('cat', path)).toMatch(
      new RegExp(`^listen 8080\nzone \\S+\npassword ${password}$`),
    );
    expect(await succeed('stat', '-c', '%U:%G %a', path)).toBe('root:myapp 640');
    // It did not run yet.
    expect(await reloads()).toBe(0);
    await comesTo('in-place');
    expect(await doctor()).toContain('1 may be written');
  }, 120_000);

  test('what somebody changes is put right, and the service reloaded by systemctl', async () => {
    await instance.write(path, 'password of somebody else\n');
    await succeed('chown', 'myapp', path);
    await succeed('berth', 'reload');
    await until('the reload', 60_000, async () => (await reloads()) === 1 || undefined);
    expect(await succeed('stat', '-c', '%U:%G %a', path)).toBe('root:myapp 640');
    expect(await succeed('cat', path)).toContain(`password ${password}`);
    await comesTo('in-place');
  }, 120_000);

  test('a new configuration needs no restart; one that its check refuses leaves the old file', async () => {
    const before = await succeed('systemctl', 'show', 'berth', '--property=MainPID', '--value');
    change('listen ', 'bind ');
    await succeed('berth', 'reload');
    await until('the reload', 60_000, async () => (await reloads()) === 2 || undefined);
    expect(await succeed('cat', path)).toMatch(/^bind 8080/);
    change('password {{', 'passwort {{');
    expect(await instance.run('berth', 'reload')).toMatchObject({
      code: 78,
      out: expect.stringContaining(
        'its check "/usr/bin/myapp" ended with code 1; the old file stays',
      ),
    });
    await comesTo('in-place');
    expect(await succeed('cat', path)).toMatch(/^bind 8080/);
    expect(await succeed('ls', '-A', '/etc/myapp')).toBe('myapp.conf');
    change('', '');
    await succeed('berth', 'reload');
    await comesTo('in-place');
    expect(await succeed('systemctl', 'show', 'berth', '--property=MainPID', '--value')).toBe(
      before,
    );
  }, 180_000);

  test('systemctl waits for a reload that takes longer than a start may', async () => {
    await comesTo('in-place');
    await instance.write('/run/myapp.slow', '6\n');
    const folder = '/run/systemd/system/berth.service.d';
    await succeed('mkdir', folder);
    await instance.write(`${folder}/soon.conf`, '[Service]\nTimeoutStartSec=3\n');
    await succeed('systemctl', 'daemon-reload');
    change('listen ', 'listen  ');
    await succeed('systemctl', 'reload', 'berth');
    expect(await succeed('cat', path)).toMatch(/^listen {2}8080\n/);
    change('', '');
    await succeed('systemctl', 'reload', 'berth');
    await succeed('rm', '-r', '/run/myapp.slow', folder);
    await succeed('systemctl', 'daemon-reload');
  }, 120_000);

  test('while the writer is busy berth asks again, and nothing is reloaded for that', async () => {
    await comesTo('in-place');
    const before = await reloads();
    await succeed('cp', '-p', path, '/run/myapp.good');
    const connect = "require('net').connect('/run/berth-files.sock')";
    const holder = ['systemd-run', '--unit=holder', '/usr/libexec/berth/node', '-e', connect];
    await succeed(...holder);
    await until('the writer', 60_000, async () =>
      (await instance.run('systemctl', 'list-units', 'berth-files@*', '--no-legend')).out.includes(
        'running',
      )
        ? true
        : undefined,
    );
    await instance.write(path, 'password of somebody else\n');
    const refusals = async (): Promise<number> =>
      (await succeed('journalctl', '--no-pager', '--unit=berth-files.socket')).split('Too many')
        .length - 1;
    const refused = await refusals();
    await succeed('berth', 'reload');
    await until('two refusals', 60_000, async () => (await refusals()) >= refused + 2 || undefined);
    expect(await statusFiles()).toMatchObject([{ path, state: 'in-place' }]);
    // By hand, so that there is nothing to do any more.
    await succeed('systemctl', 'stop', 'berth-files.socket');
    await comesTo('failing', /nobody listens/);
    await succeed('systemctl', 'stop', 'holder');
    await succeed('cp', '-p', '/run/myapp.good', path);
    await succeed('systemctl', 'start', 'berth-files.socket');
    await succeed('berth', 'reload');
    await comesTo('in-place');
    expect(await reloads()).toBe(before);
  }, 240_000);

  test('the socket is for the user of berth and root; the writer has two capabilities and can change neither its policy nor programs', async () => {
    expect(await succeed('stat', '-c', '%U:%G %a', '/run/berth-files.sock')).toBe(
      'berth:berth 600',
    );
    const connect =
      "require('net').connect('/run/berth-files.sock').on('error', (e) => { console.log(e.code); process.exit(3) }).on('connect', () => process.exit(0))";
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const node = ['/usr/libexec/berth/node', '-e', connect];
    expect(await instance.run(...asNobody, ...node)).toMatchObject({ code: 3, out: 'EACCES\n' });

    // The sandbox itself, by a program that the policy allows.
    const script =
      'exec 2>&1; grep CapBnd /proc/self/status; for f in /etc/berth/files.json /usr/bin/myapp /var/lib/berth/x /boot/x; do touch $f || true; done; ls -A /root /home; test -e /etc/shadow';
    const probe = ['sh', '-c', `(${script}) > /run/myapp.probe`, '{}'];
    const { files } = JSON.parse(policy!) as { readonly files: readonly object[] };
    await instance.write(
      '/etc/berth/files.json',
      JSON.stringify({ files: [{ ...files[0], check: probe }] }),
    );
    await instance.write('/root/mine', '');
    const [file] = (JSON.parse(configuration!) as { readonly files: readonly object[] }).files;
    const value = JSON.stringify({
      pool: 'db',
      files: [{ ...file, check: { command: probe }, mode: '0600' }],
    });
    cloud.lab.ssm.put({ name: '/berth/config', value });
    await succeed('berth', 'reload');
    const probed = await until('the probe', 60_000, async () => {
      const { code, out } = await instance.run('cat', '/run/myapp.probe');
      return code === 0 && out.includes('/boot/x') ? out : undefined;
    });
    expect(BigInt(`0x${/CapBnd:\s*(\w+)/.exec(probed)![1]}`)).toBe((1n << 0n) | (1n << 1n));
    expect(probed.match(/Read-only file system/g)).toHaveLength(4);
    expect(probed).not.toContain('mine');
    await comesTo('in-place');
  }, 120_000);

  test('no secret is in the journal, nor in what is shown', async () => {
    const { out } = await instance.run('journalctl', '--no-pager', '--output=export');
    expect(out).toContain('/etc/myapp/myapp.conf is written');
    expect(out).not.toContain(password);
    const status = await succeed('berth', 'status', '--json');
    expect(status).not.toContain(password);
    const units = await succeed(
      'systemctl',
      'list-units',
      '--all',
      '--failed',
      '--no-legend',
      'berth*',
    );
    expect(units).toBe('');
  });

  test('removed with the package: no socket stays', async () => {
    await succeed('systemctl', 'stop', 'myapp');
    await succeed('apt-get', 'purge', '-y', 'berth');
    for (const gone of [
      '/run/berth-files.sock',
      '/etc/systemd/system/sockets.target.wants/berth-files.socket',
    ]) {
      expect({ gone, ...(await instance.run('test', '-h', gone, '-o', '-e', gone)) }).toMatchObject(
        { code: 1 },
      );
    }
    expect(await succeed('cat', path)).toContain(password);
  }, 60_000);
});
