// A canary in the place of a secret: the hook has it, and the file that is to have it; nothing else that berth prints,
// serves or writes does.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createDaemonCloud,
  instance,
  type DaemonCloud,
  type StartOptions,
} from './fixtures/daemon-cloud.ts';
import { createWriterHost, noWriter } from './fixtures/writer-host.ts';
import { inNamespaces, needsNamespaces, scratch } from './lab/environment.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const canary = 'canary-4f1e"9c\\7d';
/** As whatever writes it may. */
const forms = [canary, JSON.stringify(canary).slice(1, -1), encodeURIComponent(canary)];
const reveal =
  'printf "out %s\\n" "$TOKEN"; printf "err %s" "$TOKEN" >&2; printf %s "$TOKEN" > /var/log/told; exit 3';
const config = {
  pool: 'db',
  hooks: {
    onReady: ['sh', '-c', reveal],
    environment: { TOKEN: '{{ssm-secure:/berth/token}}', BERTHLESS: 'x' },
  },
  monitoring: {},
  logs: {
    logs_collected: {
      files: {
        collect_list: [
          { file_path: '/var/log/app.log', timestamp_format: '%Y-%m-%d %H:%M:%S', timezone: 'UTC' },
        ],
      },
    },
  },
};

let cloud: DaemonCloud;

const hasIt = (shown: string): boolean => forms.some((form) => shown.includes(form));
const logFolder = (): string => join(cloud.varOf(instance), 'log');

/** Everything below it, but what an application wrote. */
function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socketPath = join(cloud.runtimeDir, 'http.sock');
    const asked = request({ socketPath, path }, (answer) => {
      text(answer).then(resolve, reject);
    });
    asked.on('error', reject).end();
  });
}

type Source = { readonly flag: string; readonly start: StartOptions; readonly kept: string };
const configFile = join(scratch, 'daemon-cloud.json');
const encrypted = { ...config, hooks: { ...config.hooks, environment: { TOKEN: canary } } };
const fromStore = (flag: string): Source => ({
  flag,
  start: { config: undefined, args: ['--config', flag] },
  kept: 'last-good-config.json',
});

describe.skipIf(!inNamespaces)(`secrets${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
    cloud.lab.ssm.put({ name: '/berth/token', value: canary, type: 'SecureString' });
  }, vpcWithinMs);
  afterEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  test.each<[string, () => Source]>([
    ['a reference', () => ({ flag: configFile, start: { config }, kept: 'references.json' })],
    [
      'a configuration that is a SecureString',
      () => {
        const value = JSON.stringify(encrypted);
        cloud.lab.ssm.put({ name: '/berth/secret', value, type: 'SecureString' });
        return fromStore('ssm:/berth/secret');
      },
    ],
    [
      'a SecureString in a tree',
      () => {
        for (const [name, value] of Object.entries({ ...config, hooks: undefined })) {
          if (value === undefined) continue;
          const text = typeof value === 'string' ? value : JSON.stringify(value);
          cloud.lab.ssm.put({ name: `/berth/tree/${name}`, value: text });
        }
        const onReady = JSON.stringify(config.hooks.onReady);
        cloud.lab.ssm.put({ name: '/berth/tree/hooks/onReady', value: onReady });
        const name = '/berth/tree/hooks/environment/TOKEN';
        cloud.lab.ssm.put({ name, value: canary, type: 'SecureString' });
        return fromStore('ssm:/berth/tree/');
      },
    ],
  ])(
    'are in the environment of hooks and in one file of mode 0600, and nowhere else: %s',
    async (_, source) => {
      const { flag, start, kept } = source();
      // Too old for CloudWatch, and with the secret in it: a dead letter.
      writeFileSync(join(logFolder(), 'app.log'), `2001-01-01 00:00:00 token ${canary}\n`);
      const args = [...(start.args ?? []), '--log-level', 'debug'];
      const daemon = await cloud.startReady({ ...start, args });
      const failed = await daemon.line(
        'the hook failed',
        ({ msg }) => msg?.includes('code 3') === true,
      );
      expect(failed['output']).toBe('out ***\nerr ***');
      expect(readFileSync(join(logFolder(), 'told'), 'utf8')).toBe(canary);
      await daemon.line('a refusal', ({ msg }) => msg?.startsWith('CloudWatch refused') === true);

      const ran = await Promise.all([
        cloud.command('status'),
        cloud.command('status', '--json', '--routes'),
        cloud.command('doctor', '--config', flag),
        cloud.command('doctor', '--config', flag, '--json'),
        cloud.command('plan', '--config', flag),
        cloud.command('plan', '--config', flag, '--json'),
        ...(flag === configFile
          ? [cloud.command('check-config', flag), cloud.command('check-config', flag, '--json')]
          : []),
        cloud.command('facts', '--json'),
        cloud.command('pool'),
      ]);
      const served = await Promise.all(['/metrics', '/readyz', '/healthz'].map(ask));
      const process = ['cmdline', 'environ'].map((name) =>
        readFileSync(`/proc/${daemon.pid}/${name}`, 'utf8'),
      );
      const printed = [JSON.stringify(daemon.lines), daemon.stderr(), ...served, ...process];
      expect(
        [...printed, ...ran.flatMap(({ stdout, stderr }) => [stdout, stderr])].map(hasIt),
      ).not.toContain(true);
      expect(ran.map(({ stdout }) => stdout.length > 0)).not.toContain(false);

      const files = [cloud.stateDir, cloud.runtimeDir].flatMap(filesBelow);
      const withIt = files.filter((path) => hasIt(readFileSync(path, 'latin1')));
      expect(withIt.map((path) => path.split('/').at(-1))).toEqual([kept]);
      expect(statSync(withIt[0]!).mode & 0o777).toBe(0o600);
      const [letters] = files.filter((path) => path.endsWith('dead-letters.jsonl'));
      expect(readFileSync(letters!, 'utf8')).toContain('token ***');
    },
  );

  test.skipIf(noWriter !== '')(
    `are in the files that are to have them, whatever goes wrong with those${noWriter}`,
    async () => {
      await using host = createWriterHost();
      const tells = ['sh', '-c', 'cat "$0"; cat "$0" >&2; exit 3', '{}'];
      const after = ['sh', '-c', `cat ${host.at('app/a.conf')}; exit 4`];
      host.allow({
        files: [
          { path: host.at('app/a.conf'), reload: after },
          { path: host.at('app/b.conf'), check: tells },
          { path: host.at('app/c.conf'), owner: 'nobody-here' },
        ],
      });
      // The daemon of the host has its own /run/berth, and this one with all.
      await host.listen(join(scratch, 'berth-files.sock'));
      const content = 'user app\ntoken {{ssm-secure:/berth/token}}\n';
      const files = [
        { path: host.at('app/a.conf'), content, reload: { command: after } },
        { path: host.at('app/b.conf'), content, check: { command: tells } },
        { path: host.at('app/c.conf'), content, owner: 'nobody-here' },
      ];
      const daemon = await cloud.startReady({
        config: { ...config, files },
        args: ['--log-level', 'debug'],
      });
      const failing = await cloud.status(
        'all have failed',
        (status) => status.files.every(({ state }) => state === 'failing') && status.ready,
      );
      expect(failing.files.map(({ message }) => message)).toEqual([
        expect.stringMatching(/"sh" ended with code 4$/),
        expect.stringMatching(/its check "sh" ended with code 3; the old file stays$/),
        expect.stringMatching(/there is no user nobody-here$/),
      ]);
      const ran = await Promise.all([
        cloud.command('status'),
        cloud.command('status', '--json'),
        cloud.command('doctor', '--config', configFile),
        cloud.command('plan', '--config', configFile),
        cloud.command('plan', '--config', configFile, '--json'),
        cloud.command('check-config', configFile),
      ]);
      expect(ran[3].stdout).toContain('+token ***');
      const printed = [JSON.stringify(daemon.lines), daemon.stderr(), host.said()];
      expect(
        [...printed, ...ran.flatMap(({ stdout, stderr }) => [stdout, stderr])].map(hasIt),
      ).not.toContain(true);
      const withIt = [cloud.stateDir, cloud.runtimeDir, host.path]
        .flatMap(filesBelow)
        .filter((path) => hasIt(readFileSync(path, 'latin1')));
      expect(new Set(withIt.map((path) => path.split('/').at(-1)))).toEqual(
        new Set(['a.conf', 'references.json']),
      );
      expect(statSync(host.at('app/a.conf')).mode & 0o777).toBe(0o640);
    },
  );

  test('serve a boot without Parameter Store, and are masked in it', async () => {
    const first = await cloud.startReady({ config });
    await first.line('the hook', ({ msg }) => msg?.includes('code 3') === true);
    first.kill('SIGKILL');
    await first.ended;
    execFileSync('rm', [join(logFolder(), 'told')]);
    const fault = { kind: 'error', status: 500, code: 'InternalServerError' } as const;
    cloud.lab.front.fail({ match: 'ssm:*', times: 1_000, fault });
    const again = await cloud.startReady({ config });
    const failed = await again.line('the hook', ({ msg }) => msg?.includes('code 3') === true);
    expect(failed['output']).toBe('out ***\nerr ***');
    expect(readFileSync(join(logFolder(), 'told'), 'utf8')).toBe(canary);
    expect((await cloud.status('ready', ({ ready }) => ready)).config?.lastKnownGood).toBe(true);
    expect(hasIt(JSON.stringify(again.lines) + again.stderr())).toBe(false);
  });

  test('that cannot be had end the start with a message that has none', async () => {
    const bad = {
      ...config,
      hooks: { ...config.hooks, environment: { A: '{{ssm-secure:/berth/none}}' } },
    };
    const daemon = cloud.start({ config: bad });
    expect(await daemon.ended).toBe(78);
    expect(daemon.stderr()).toContain('hooks.environment.A: there is no parameter /berth/none');
    const misplaced = cloud.start({ config: { pool: '{{ssm-secure:/berth/token}}' } });
    expect(await misplaced.ended).toBe(78);
    expect(misplaced.stderr()).toContain(
      'pool: a secret can stand in hooks.environment and files[].content alone',
    );
    expect(hasIt(JSON.stringify(misplaced.lines) + misplaced.stderr())).toBe(false);
  });
});
