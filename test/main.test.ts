// The command line as a user meets it: the real program in a process of its own.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { commands } from '../src/commands/commands.ts';
import { mainFile } from './lab/daemon-process.ts';
import type { LabCall } from './lab/service.ts';
import { createTestWorld, one, subnetA, subnetB, type TestWorld } from './lab/test-world.ts';
import { berth, type Ran } from './fixtures/berth-command.ts';
import { temporaryFolder } from './fixtures/temporary-folder.ts';

const src = join(import.meta.dirname, '..', 'src');
const names = Object.keys(commands);

/** Empty where Node's own loader would take the file. */
function refusalToStrip(name: string): readonly string[] {
  try {
    stripTypeScriptTypes(readFileSync(join(src, name), 'utf8'), { mode: 'strip' });
    return [];
  } catch (error) {
    return [`${name}: ${String(error)}`];
  }
}

function changesSomething({ action }: LabCall): boolean {
  return !/^(Describe|Get)/.test(action);
}

describe('source', () => {
  // That one is AssemblyScript: test/ship/kernel.test.ts compiles it.
  const files = globSync('**/*.ts', { cwd: src }).filter(
    (name) => name !== 'ship/kernel-assembly.ts',
  );

  // vitest transforms more than Node strips.
  test('Node strips the types of every file', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.flatMap(refusalToStrip)).toEqual([]);
  });

  test('Node loads every file: each import has its file and its name', () => {
    const urls = files
      // They run when they are loaded.
      .filter((name) => name !== 'main.ts' && name !== 'launch.ts')
      .map((name) => pathToFileURL(join(src, name)).href);
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        '--no-warnings',
        '--input-type=module',
        '--eval',
        'await Promise.all(process.argv.slice(1).map((url) => import(url)))',
        ...urls,
      ],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

describe('help', () => {
  test.each(['--help', '-h', 'help'])('berth %s lists every command', async (flag) => {
    const { code, stdout, stderr } = await berth([flag]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of names) expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  });

  test('berth alone lists them too, and is a misuse', async () => {
    const { code, stdout } = await berth([]);
    expect(code).toBe(64);
    expect(stdout).toContain('Usage: berth COMMAND');
  });

  test.each(names)('berth %s --help shows its flags and an example', async (name) => {
    const { code, stdout, stderr } = await berth([name, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: berth ${name}`);
    expect(stdout).toMatch(new RegExp(`^Example: berth ${name}\\b`, 'm'));
  });
});

describe('misuse', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['an unknown command', ['dock'], /unknown command "dock"; "berth --help" lists them/],
    ['the name of an object property', ['constructor'], /unknown command "constructor"/],
    ['an unknown flag', ['run', '--pool', 'db'], /Unknown option '--pool'; "berth --help"/],
    ['a flag without its value', ['run', '--config'], /'--config <value>'.*; "berth --help"/],
    ['a value for a switch', ['status', '--json=yes'], /'--json'.*; "berth --help"/],
    ['an argument too many', ['version', 'now'], /unexpected argument "now"/],
    ['a log level', ['run', '--log-level', 'loud'], /--log-level must be one of debug, info/],
    ['a timeout', ['wait', '--timeout', 'soon'], /--timeout takes a number of seconds/],
    ['a timeout beyond timers', ['wait', '--timeout', '3000000'], /seconds, at most 2147483/],
    ['a timeout of nothing', ['wait', '--timeout', ''], /--timeout takes a number of seconds/],
    ['check-config without a file', ['check-config'], /needs a FILE, or "-" for standard input/],
    ['check-config of no file', ['check-config', '/nowhere.json'], /cannot find the file/],
  ];
  test.each(cases)('%s: exit code 64 and one line that helps', async (_what, args, message) => {
    const { code, stdout, stderr } = await berth(args);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^berth: .+\n$/);
    expect(stderr).toMatch(message);
  });

  test('an endpoint of the metadata service that is none', async () => {
    using folder = temporaryFolder();
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'ftp://imds' };
    const args = [
      'run',
      '--log-level',
      'silent',
      '--state-dir',
      folder.path,
      '--runtime-dir',
      folder.path,
    ];
    const { code, stderr } = await berth(args, { env });
    expect(code).toBe(64);
    expect(stderr).toMatch(/^berth: cannot use AWS_EC2_METADATA_SERVICE_ENDPOINT: set it to .+\n$/);
  });
});

test('berth version', async () => {
  const { code, stdout } = await berth(['version']);
  expect(code).toBe(0);
  expect(stdout).toBe(
    `berth ${packageJson.version} (Node ${process.versions.node}, ${process.arch})\n`,
  );
});

describe('berth check-config', () => {
  const valid = JSON.stringify({ pool: 'db', logs: { force_flush_interval: 5 } });
  const invalid = JSON.stringify({
    pool: '',
    releaseOnstop: true,
    logs: { force_flush_interval: 0 },
  });

  test('accepts a valid one', async () => {
    using folder = temporaryFolder();
    const path = folder.file('berth.json', valid);
    const { code, stdout, stderr } = await berth(['check-config', path]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`${path}: a valid configuration\n`);
  });

  test('judges all but what references stand for', async () => {
    const config = {
      pools: [{ name: '{{tag:Role}}', waitSeconds: '{{ssm:/berth/wait}}' }],
      hooks: { onReady: '{{ssm:/berth/argv}}' },
    };
    const good = await berth(['check-config', '-'], { stdin: JSON.stringify(config) });
    expect(good.stdout).toBe('-: a valid configuration, but for what its 3 references stand for\n');
    expect(good.code).toBe(0);
    const wrong = {
      ...config,
      releaseOnStop: 'x',
      role: '{{env:ROLE}}',
      pool: '{{ssm-secure:/p}}',
    };
    const bad = await berth(['check-config', '-'], { stdin: JSON.stringify(wrong) });
    expect(bad.code).toBe(78);
    expect(bad.stderr).toContain('releaseOnStop: must be a boolean');
    expect(bad.stderr).toContain('role: there is no such reference; there are {{ssm:...}}');
    expect(bad.stderr).toContain(
      'pool: a secret can stand in hooks.environment and files[].content alone',
    );
  });

  test('reads standard input', async () => {
    const { code, stdout } = await berth(['check-config', '-'], { stdin: valid });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '-: a valid configuration\n' });
  });

  test('tells every issue at once, with its path and the nearest key', async () => {
    using folder = temporaryFolder();
    const path = folder.file('berth.json', invalid);
    const { code, stdout, stderr } = await berth(['check-config', path]);
    expect(code).toBe(78);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toContain(`${path}: error: `);
    expect(stderr).toMatch(/error: pool: must/);
    expect(stderr).toMatch(/releaseOnstop.*releaseOnStop/);
    expect(stderr).toMatch(/error: logs\.force_flush_interval: must be at least/);
    expect(stdout).toBe(`${path}: 3 to put right\n`);
  });

  test('tells where the JSON ends', async () => {
    const { code, stderr } = await berth(['check-config', '-'], { stdin: '{\n  "pool": db }' });
    expect(code).toBe(78);
    expect(stderr).toContain('line 2, column 11');
  });

  test('--json is for machines', async () => {
    const bad = await berth(['check-config', '--json', '-'], { stdin: invalid });
    expect({ code: bad.code, stderr: bad.stderr }).toEqual({ code: 78, stderr: '' });
    const told = JSON.parse(bad.stdout) as { ok: boolean; issues: { path: string }[] };
    expect(told.ok).toBe(false);
    expect(told.issues.map((issue) => issue.path).toSorted()).toEqual([
      'logs.force_flush_interval',
      'pool',
      'releaseOnstop',
    ]);
    const good = await berth(['check-config', '--json', '-'], { stdin: valid });
    expect(JSON.parse(good.stdout)).toEqual({ ok: true, issues: [], warnings: [] });
  });
});

describe('without a daemon', () => {
  test('status says so', async () => {
    using folder = temporaryFolder();
    const args = ['status', '--runtime-dir', folder.path];
    const { code, stdout, stderr } = await berth(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^berth: cannot reach berth at .+: is it running\? \(systemctl status berth\)\n$/,
    );
  });

  test('wait --timeout ends by the clock and says why', async () => {
    using folder = temporaryFolder();
    const startMs = performance.now();
    const args = ['wait', '--timeout', '0.3', '--runtime-dir', folder.path];
    const { code, stderr } = await berth(args);
    expect(code).toBe(1);
    expect(performance.now() - startMs).toBeGreaterThan(300);
    expect(stderr).toBe(
      'berth: cannot say ready after 0.3 s: berth is not running (systemctl status berth)\n',
    );
  });

  test('a daemon that never answers is named as stuck', async () => {
    using folder = temporaryFolder();
    const server = createServer(() => undefined);
    await new Promise<void>((done) => server.listen(join(folder.path, 'status.sock'), done));
    const { code, stderr } = await berth(['status', '--runtime-dir', folder.path]);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^berth: cannot read the status: .+ systemctl restart berth\)\n$/);
  });
});

describe('berth plan', () => {
  let world: TestWorld;
  let env: Readonly<Record<string, string>>;
  beforeAll(async () => {
    world = await createTestWorld();
    env = {
      AWS_ENDPOINT_URL: world.lab.endpoint,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: await world.lab.imdsFor(one),
    };
    world.lab.ec2.addEni({
      eniId: 'eni-0123456789abcdef0',
      mac: '02:db:00:00:00:aa',
      subnetId: subnetA,
      privateIpv4: '10.0.1.50',
      secondaryIpv4: ['10.0.1.51'],
      tags: { 'berth:pool': 'db' },
    });
    world.lab.ec2.addEni({ subnetId: subnetB, tags: { 'berth:pool': 'far' } });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  /** `config`: for --config. */
  const plan = async (config: string | undefined, ...args: readonly string[]): Promise<Ran> => {
    using folder = temporaryFolder();
    const flag = config === undefined ? [] : ['--config', folder.file('berth.json', config)];
    return await berth(['plan', '--state-dir', folder.path, ...flag, ...args], { env });
  };

  test('shows the ENI, its addresses and the exact commands, and changes nothing', async () => {
    const before = world.lab.ec2.enis();
    using folder = temporaryFolder();
    const { code, stdout, stderr } = await berth(['plan', '--state-dir', folder.path], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(
      [
        `instance   ${one}`,
        'config     instance tag berth:pool',
        'pool       db',
        'claim      claim eni-0123456789abcdef0',
        'addresses  10.0.1.50 10.0.1.51  MAC 02:db:00:00:00:aa',
      ].join('\n'),
    );
    const lines = stdout.split('\n').map((line) => line.trim());
    expect(lines.filter((line) => line.startsWith('ip '))).toEqual([
      'ip route replace unreachable default metric 4294967295 table 20001 proto kernel',
      'ip rule add priority 9500 from 10.0.1.50/32 lookup 20001 protocol kernel',
      'ip rule add priority 9500 from 10.0.1.51/32 lookup 20001 protocol kernel',
      'ip rule add priority 9500 oif DEVICE lookup 20001 protocol kernel',
      'ip link set dev DEVICE mtu 9001 up',
      'ip addr replace 10.0.1.50/24 dev DEVICE noprefixroute',
      'ip addr replace 10.0.1.51/32 dev DEVICE noprefixroute',
      'ip route replace 10.0.1.0/24 dev DEVICE src 10.0.1.50 scope link table 20001 proto kernel',
      'ip route replace default via 10.0.1.1 dev DEVICE src 10.0.1.50 table 20001 proto kernel',
    ]);
    expect(world.lab.front.calls.length).toBeGreaterThan(0);
    expect(world.lab.front.calls.filter(changesSomething)).toEqual([]);
    expect(world.lab.ec2.enis()).toEqual(before);
    expect(globSync('**/*', { cwd: folder.path })).toEqual([]);
  });

  test('--json is for machines', async () => {
    const { code, stdout } = await plan(undefined, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      instanceId: one,
      config: { name: 'instance tag berth:pool', lastKnownGood: false },
      pools: [
        {
          pool: 'db',
          step: 'claim eni-0123456789abcdef0',
          eni: { eniId: 'eni-0123456789abcdef0', ipv4: ['10.0.1.50', '10.0.1.51'] },
          commands: expect.arrayContaining([expect.stringContaining('10.0.1.51')]) as unknown,
        },
      ],
    });
  });

  test('berth pool shows every ENI of the pool, and watches until it is stopped', async () => {
    using folder = temporaryFolder();
    const pool = (...args: readonly string[]): Promise<Ran> =>
      berth(['pool', '--state-dir', folder.path, ...args], { env });
    const shown = await pool();
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toMatch(
      /^pool db: 1 ENIs, 1 free\nENI .*\neni-0123456789abcdef0 +eu-west-1a +10\.0\.1\.50 \+1 +02:db:00:00:00:aa +free +- +- +0\n$/,
    );
    const far = await pool('--pool', 'far', '--json');
    expect(JSON.parse(far.stdout)).toMatchObject({ far: [{ state: 'free', epoch: 0 }] });
    const watching = spawn(
      process.execPath,
      [mainFile, 'pool', '--watch', '--state-dir', folder.path],
      { env: { ...env, NODE_NO_WARNINGS: '1' }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [first] = (await once(watching.stdout, 'data')) as [Buffer];
    expect(first.toString()).toContain('pool db: 1 ENIs');
    watching.kill('SIGINT');
    const [code] = (await once(watching, 'close')) as [number];
    expect(code).toBe(0);
  });

  test('says why there is nothing to claim', async () => {
    const { code, stdout } = await plan('{"pool":"far"}');
    expect(code).toBe(0);
    expect(stdout).toContain('pool far has ENIs in eu-west-1b only');
    expect(stdout).not.toContain('addr');
  });

  test('asks EC2 again that wants it slower, or hangs up', async () => {
    const { front } = world.lab;
    const throttled = { kind: 'error', status: 503, code: 'RequestLimitExceeded' } as const;
    front.fail({ match: 'ec2:DescribeNetworkInterfaces', times: 1, fault: throttled });
    front.fail({ match: 'ec2:DescribeInstances', times: 1, fault: { kind: 'reset-before' } });
    const { code, stdout, stderr } = await plan(undefined);
    expect(code).toBe(0);
    expect(stdout).toContain('claim      claim eni-0123456789abcdef0');
    expect(stderr).toMatch(/RequestLimitExceeded.*trying again/);
  });

  test('off EC2 it says so, and soon', async () => {
    using folder = temporaryFolder();
    const off = { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' };
    const startMs = performance.now();
    const { code, stderr } = await berth(['plan', '--state-dir', folder.path], { env: off });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^berth: cannot reach the metadata service .*runs on EC2 instances/m);
    expect(performance.now() - startMs).toBeLessThan(15_000);
  });

  test('a configuration that is wrong ends it with 78', async () => {
    const { code, stderr } = await plan('{"pol":"db"}');
    expect(code).toBe(78);
    expect(stderr).toMatch(/^berth: cannot use the configuration from file .*pol.*pool/);
  });
});
