// The daemon as a process, up to the claim: what it is told and what is wrong with it, systemd, the status socket,
// and its logs. All on loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mainFile, type DaemonProcess, type LogLine } from './lab/daemon-process.ts';
import { compileCache } from './fixtures/berth-command.ts';
import { createGate } from './fixtures/gate.ts';
import { listenAt } from './fixtures/notified.ts';
import { createLoopback, instanceId, type Loopback } from './fixtures/loopback-daemon.ts';
import { logsRoleOf, rolePoliciesWithout } from './fixtures/role.ts';
import { logsRole, shippedPolicy } from './lab/iam-cases.ts';
import { until } from './lab/progress.ts';

const isReady = (line: LogLine): boolean => line['phase'] === 'ready';
const ready = (daemon: DaemonProcess): Promise<LogLine> => daemon.line('ready', isReady);
/** Without a pool, so that it is ready at once. */
const empty = (at: Loopback): readonly string[] => ['--config', at.file('berth.json', '{}')];

/** Of each error and warning: what it says, and what it was caused by. */
function complaints(daemon: DaemonProcess): string {
  return daemon.lines
    .filter((line) => line['level'] === 'warn' || line['level'] === 'error')
    .map((line) => `${line.msg} ${(line['err'] as Error | undefined)?.message ?? ''}`)
    .join('\n');
}

/** 78, with one line that says why. */
const refused = async (daemon: DaemonProcess): Promise<string> => {
  expect(await daemon.ended).toBe(78);
  expect(daemon.stderr()).toMatch(/^berth: cannot .+\n$/);
  return daemon.stderr();
};

const shipping = (at: Loopback, more: object = {}): readonly string[] => {
  const file = { file_path: join(at.folder, 'app.log'), log_group_name: 'app' };
  const files = { collect_list: [file] };
  const logs = { force_flush_interval: 1, logs_collected: { files }, ...more };
  return ['--config', at.file('berth.json', JSON.stringify({ logs }))];
};
const arrived = (at: Loopback): readonly string[] =>
  at.lab.logs.events('app', instanceId).map((event) => event.message);

describe.concurrent('the metadata service', () => {
  test('nobody listens yet: says so, and is ready when it comes', async () => {
    await using at = await createLoopback();
    await using gate = await createGate('127.0.0.1', at.imds.endpoint);
    await gate.close();
    const daemon = at.start(empty(at), { AWS_EC2_METADATA_SERVICE_ENDPOINT: gate.endpoint });
    await daemon.line('trouble', (line) => line['level'] === 'warn');
    expect(complaints(daemon)).toMatch(
      /cannot reach the metadata service at .*ECONNREFUSED.*turn IMDS on \(aws ec2 modify-/,
    );
    await gate.open();
    await ready(daemon);
  });

  test('connections are reset at first: ready all the same', async () => {
    await using at = await createLoopback();
    at.imds.dials.resetConnections = 3;
    const daemon = at.start(empty(at));
    await ready(daemon);
    expect(complaints(daemon)).toMatch(/the metadata service does not answer as it should/);
  });

  const refusals = [
    ['is off', 'disabled', /it refuses \(403\), .*turn it on \(aws ec2 modify-instance-metadata/],
    ['knows version 1 only', 'v1-only', /it knows version 1 only, which berth never uses/],
  ] as const;
  test.each(refusals)('%s: says so, and is ready without a restart', async (_, mode, message) => {
    await using at = await createLoopback();
    at.imds.dials.mode = mode;
    const daemon = at.start(empty(at));
    const { ready: isServed } = await at.status('why', (status) => message.test(status.message));
    expect(isServed).toBe(false);
    at.imds.dials.mode = 'required';
    await ready(daemon);
    // Not once did it ask without a token.
    expect(at.imds.requests.filter((request) => request.status === 200)[0]?.method).toBe('PUT');
    expect(daemon.stderr()).toBe('');
  });

  test('no role: says what to attach, and is ready when it is there', async () => {
    await using at = await createLoopback();
    at.lab.ssm.put({ name: '/berth/config', value: '{}' });
    at.lab.imds.change(instanceId, { roleName: undefined });
    const daemon = at.start([]);
    await at.status('why', (status) =>
      status.message.includes('the instance has no role: attach an instance profile'),
    );
    at.lab.imds.change(instanceId, { roleName: 'berth' });
    await ready(daemon);
    expect(daemon.stderr()).toBe('');
  });
});

describe.concurrent('the configuration', () => {
  test('invalid: every issue at once, exit code 78', async () => {
    await using at = await createLoopback();
    const config = { pol: 'db', logs: { force_flush_interval: 0 } };
    const told = await refused(at.start(['--config', at.file('b.json', JSON.stringify(config))]));
    expect(told).toMatch(/from file .*b\.json: .*pol\b.*"?pool"?.*; logs\.force_flush_interval:/);
  });

  test('nowhere: says where it looked, exit code 78', async () => {
    await using at = await createLoopback();
    expect(await refused(at.start([]))).toMatch(
      /looked at --config, .*user data, the instance tags .*, and the parameter \/berth\/config/,
    );
  });

  test('a parameter that is not there: exit code 78', async () => {
    await using at = await createLoopback();
    expect(await refused(at.start(['--config', 'ssm:/berth/web']))).toMatch(
      /cannot find the parameter \/berth\/web, which --config names, in eu-west-1: create it/,
    );
  });

  test('systemd hears why it ended, last of all', async () => {
    await using at = await createLoopback();
    const path = join(at.folder, 'notify');
    using systemd = await listenAt(path);
    const daemon = at.start([], { NOTIFY_SOCKET: path });
    await daemon.ended;
    await systemd.datagram(/^STOPPING=1/);
    const statuses = systemd.heard.filter((text) => text.startsWith('STATUS='));
    expect(statuses.at(-1)).toMatch(/^STATUS=cannot find a configuration/);
  });

  test('no permission to read it: names it, and is ready once it is there', async () => {
    await using at = await createLoopback();
    at.lab.ssm.put({ name: '/berth/config', value: '{}' });
    at.lab.setPolicies(instanceId, rolePoliciesWithout('ssm:GetParameter'));
    const daemon = at.start([]);
    await at.status('why', ({ message }) =>
      message.includes('the instance role lacks ssm:GetParameter; add it to the role'),
    );
    at.lab.setPolicies(instanceId, rolePoliciesWithout('nothing'));
    await ready(daemon);
    expect(daemon.stderr()).toBe('');
  });

  test('Parameter Store away: the last good copy, and says so', async () => {
    await using at = await createLoopback();
    at.lab.ssm.put({ name: '/berth/config', value: '{}' });
    const first = at.start([]);
    await ready(first);
    first.kill('SIGTERM');
    expect(await first.ended).toBe(0);

    const error = { kind: 'error', status: 503, code: 'ServiceUnavailable' } as const;
    at.lab.front.fail({ match: 'ssm:*', times: 1_000, fault: error });
    const daemon = at.start([]);
    await ready(daemon);
    expect(complaints(daemon)).toMatch(/out of reach: using the last good configuration/);
    const { stdout } = await at.command('status');
    expect(stdout).toMatch(/parameter \/berth\/config version 1 \(last good copy: Parameter Store/);
  });
});

describe.concurrent('systemd', () => {
  test('hears up, each status, the watchdog and the end', async () => {
    await using at = await createLoopback();
    const name = `@berth-test-${process.pid}`;
    using systemd = await listenAt(name);
    const daemon = at.start(empty(at), { NOTIFY_SOCKET: name, WATCHDOG_USEC: '100000' });
    await systemd.datagram(/^STATUS=no pool is configured/);
    await until('three watchdogs', 5_000, () => {
      const pets = systemd.heard.filter((text) => text === 'WATCHDOG=1');
      return pets.length >= 3 || undefined;
    });
    daemon.kill('SIGTERM');
    await systemd.datagram(/^STOPPING=1$/);
    expect(await daemon.ended).toBe(0);
    // Up comes before anything that waits for AWS.
    expect(systemd.heard[0]).toBe('READY=1');
    expect(systemd.heard).toContain('STATUS=stopping');
  });

  test('not there: a warning, and nothing else', async () => {
    await using at = await createLoopback();
    const path = join(at.folder, 'nobody');
    const daemon = at.start(empty(at), { NOTIFY_SOCKET: path });
    await ready(daemon);
    expect(complaints(daemon)).toMatch(new RegExp(`^cannot speak to systemd at ${path}: .*$`));
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  test('its journal goes away: the daemon stays', async () => {
    await using at = await createLoopback();
    const argv = [mainFile, 'run', ...empty(at), '--state-dir', at.stateDir];
    const child = spawn(process.execPath, [...argv, '--runtime-dir', at.runtimeDir], {
      env: { ...compileCache, AWS_EC2_METADATA_SERVICE_ENDPOINT: at.imds.endpoint },
    });
    child.stdout.destroy();
    child.stderr.destroy();
    const ended = once(child, 'exit');
    try {
      await at.status('ready', (status) => status.ready);
      child.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe.concurrent('the status socket', () => {
  test('is for root and the group', async () => {
    await using at = await createLoopback();
    await ready(at.start(empty(at)));
    const { mode } = statSync(join(at.runtimeDir, 'status.sock'));
    expect(mode & 0o777).toBe(0o660);
  });

  test('a second daemon says so and ends; the first is unharmed', async () => {
    await using at = await createLoopback();
    const first = at.start(empty(at));
    await ready(first);
    const second = at.start(empty(at));
    expect(await second.ended).toBe(1);
    expect(second.stderr()).toMatch(
      /^berth: cannot start: another berth listens on .+; stop it first, or give this one --runtime/,
    );
    expect((await at.command('status')).stdout).toMatch(new RegExp(`process ${first.pid}$`, 'm'));
  });

  test('of two that start at once one stays', async () => {
    await using at = await createLoopback();
    const config = empty(at);
    const both = [at.start(config), at.start(config)];
    const code = await Promise.race(both.map((daemon) => daemon.ended));
    expect(code).toBe(1);
    const { pid } = await at.status('ready', (status) => status.ready);
    const [stays] = both.filter((daemon) => daemon.pid === pid);
    expect(stays!.stderr()).toBe('');
  });

  test('one that was killed is replaced', async () => {
    await using at = await createLoopback();
    const first = at.start(empty(at));
    await ready(first);
    first.kill('SIGKILL');
    await first.ended;
    expect((await at.command('status')).code).toBe(1);
    const second = at.start(empty(at));
    await ready(second);
    const { stdout } = await at.command('status', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ pid: second.pid, ready: true });
  });

  test('berth wait returns when it is ready, and a timeout tells the status', async () => {
    await using at = await createLoopback();
    at.imds.dials.mode = 'disabled';
    at.start(empty(at));
    await at.status('why', ({ message }) => message.includes('403'));
    const late = await at.command('wait', '--timeout', '0.2');
    expect(late.code).toBe(1);
    expect(late.stderr).toMatch(/^berth: cannot say ready after 0\.2 s: cannot read .*\(403\)/);
    const waiting = at.command('wait');
    at.imds.dials.mode = 'required';
    expect(await waiting).toMatchObject({ code: 0, stdout: expect.stringMatching(/^no pool/) });
  });
});

describe.concurrent('logs', () => {
  test('what was written before SIGTERM arrives before the end', async () => {
    await using at = await createLoopback();
    const daemon = at.start(shipping(at));
    await ready(daemon);
    appendFileSync(join(at.folder, 'app.log'), 'the last words\n');
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(arrived(at)).toEqual(['the last words']);
  });

  test('no permission to send: ready, names it, and the next start sends everything', async () => {
    await using at = await createLoopback();
    at.lab.setPolicies(instanceId, rolePoliciesWithout('logs:PutLogEvents'));
    const config = shipping(at);
    at.file('app.log', 'one\n');
    const daemon = at.start(config);
    await ready(daemon);
    appendFileSync(join(at.folder, 'app.log'), 'two\n');
    await daemon.line('why', (line) =>
      JSON.stringify(line).includes('the role lacks the permission logs:PutLogEvents'),
    );
    const { stdout } = await at.command('status');
    expect(stdout).toMatch(/log error .*logs:PutLogEvents/);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    at.lab.setPolicies(instanceId, rolePoliciesWithout('nothing'));
    const again = at.start(config);
    await ready(again);
    again.kill('SIGTERM');
    expect(await again.ended).toBe(0);
    expect(arrived(at)).toEqual(['one', 'two']);
  });

  test('of a role in another account: it sends the logs, and the instance does all else', async () => {
    await using at = await createLoopback();
    at.lab.sts.putRole(logsRoleOf({ trusted: false }));
    at.lab.setPolicies(instanceId, ['base', 'config', 'assume-role'].map(shippedPolicy));
    const credentials = { role_arn: logsRole };
    const file = { file_path: join(at.folder, 'app.log'), log_group_name: '/app/a' };
    const logs = { credentials, logs_collected: { files: { collect_list: [file] } } };
    at.lab.ssm.put({ name: '/berth/config', value: JSON.stringify({ pool: 'db', logs }) });
    at.file('app.log', 'one\n');
    const daemon = at.start([]);
    await daemon.line('why', (line) => JSON.stringify(line).includes('STS denies it'));
    const { stdout } = await at.command('status');
    expect(stdout).toMatch(/log error .*role\/logs: STS denies it; the instance role needs/);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    at.lab.sts.putRole(logsRoleOf({ trusted: true }));
    const again = at.start([]);
    const sent = () => at.lab.logs.events('/app/a', instanceId).map(({ message }) => message);
    await until('sent', 30_000, () => sent()[0]);
    again.kill('SIGTERM');
    expect(await again.ended).toBe(0);
    expect(sent()).toEqual(['one']);
    const bySession = at.lab.front.calls.filter(({ roleArn }) => roleArn !== undefined);
    expect(new Set(bySession.map(({ service }) => service))).toEqual(new Set(['logs']));
    const byInstance = at.lab.front.calls.filter((call) => call.instanceId === instanceId);
    expect(new Set(byInstance.map(({ service }) => service))).toEqual(
      new Set(['ssm', 'ec2', 'sts']),
    );
  });

  test('CloudWatch away at the stop: exits 0 within the deadline', async () => {
    await using at = await createLoopback();
    at.file('app.log', '');
    const daemon = at.start(shipping(at));
    await ready(daemon);
    at.lab.front.fail({ match: 'logs:*', times: 1_000, fault: { kind: 'reset-before' } });
    appendFileSync(join(at.folder, 'app.log'), 'kept\n');
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(complaints(daemon)).toMatch(/cannot send the last log lines within 8 s/);
  });
});

test.concurrent('no secret is in any log line, status or state file', async () => {
  await using at = await createLoopback();
  at.lab.ssm.put({ name: '/berth/config', value: '{}' });
  const reset = { kind: 'error', status: 400, code: 'ExpiredTokenException' } as const;
  at.lab.front.fail({ match: 'ssm:*', times: 1, fault: reset });
  at.lab.front.fail({ match: 'ssm:*', times: 1, fault: { kind: 'reset-after' } });
  at.imds.dials.readFaults.push(500, 'reset', 401);
  const daemon = at.start(['--log-level', 'debug']);
  await ready(daemon);
  const { stdout: status } = await at.command('status', '--json');
  daemon.kill('SIGTERM');
  await daemon.ended;
  const state = globSync('**/*', { cwd: at.stateDir, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
  expect(state.length).toBeGreaterThan(0);
  const { secretAccessKey, sessionToken } = at.lab.credentialsFor(instanceId);
  const everything = JSON.stringify([daemon.lines, daemon.stderr(), status, state]);
  expect(complaints(daemon)).not.toBe('');
  expect(everything).not.toContain(secretAccessKey);
  expect(everything).not.toContain(sessionToken);
  // Of the metadata service; all of its tokens begin so.
  expect(everything).not.toMatch(/AQAEA/);
});
