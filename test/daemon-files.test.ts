// Files of the configuration, by a real daemon and a real writer: in place before ready, put right when they drift,
// changed by a reload, and no reason to be late where they cannot be written.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { berth, type Ran } from './fixtures/berth-command.ts';
import { isReady } from './fixtures/daemon-cloud.ts';
import { hungMount, noHungMount } from './fixtures/hung-mount.ts';
import { createLoopback, type Loopback } from './fixtures/loopback-daemon.ts';
import { createWriterHost, noWriter, type WriterHost } from './fixtures/writer-host.ts';
import { until } from './lab/progress.ts';

const parameter = '/berth/files';
const fastTime = {
  NODE_OPTIONS: `--import=${join(import.meta.dirname, 'lab', 'fast-time.ts')}`,
  TIME_FACTOR: '60',
};
const stored = ['--config', `ssm:${parameter}`] as const;

let at: Loopback;
let host: WriterHost;
let path: string;

beforeEach(async () => {
  if (noWriter !== '') return;
  at = await createLoopback();
  host = createWriterHost();
  path = host.at('app/a.conf');
});
afterEach(async () => {
  if (noWriter !== '') return;
  await at[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

const socketOf = (): string => `${at.runtimeDir}-files.sock`;
const put = (...files: readonly object[]): number =>
  at.lab.ssm.put({ name: parameter, value: JSON.stringify({ files }) });
const content = (file = path): string | undefined =>
  existsSync(file) ? readFileSync(file, 'utf8') : undefined;
const comesTrue = (what: string, fits: () => boolean): Promise<true> =>
  until(what, 60_000, () => fits() || undefined);
const sh = (script: string, ...words: readonly string[]) => ({
  command: ['sh', '-c', script, ...words],
});
type Programs = Partial<Record<'check' | 'reload', { readonly command: readonly string[] }>>;
const allow = ({ check, reload }: Programs = {}, more: object = {}): void =>
  host.allow({
    files: [
      {
        path: host.at('app/*.conf'),
        check: check?.command,
        reload: reload?.command,
        mode: '0644',
        ...more,
      },
    ],
  });
const command = (...args: readonly string[]): Promise<Ran> =>
  berth(args, {
    env: {
      AWS_ENDPOINT_URL: at.lab.endpoint,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: at.imds.endpoint,
      STATE_DIRECTORY: at.stateDir,
      RUNTIME_DIRECTORY: at.runtimeDir,
    },
  });
const stateOf = (file: string, state: string) =>
  at.status(`${file} is ${state}`, ({ files }) =>
    files.some((one) => one.path === file && one.state === state),
  );

describe.skipIf(noWriter !== '')(
  `files of the configuration${noWriter}`,
  { timeout: 120_000 },
  () => {
    test('are there when berth says ready, with what references stand for', async () => {
      const reload = sh(`echo reloaded >> ${host.at('reloads')}`);
      host.allow({
        files: [
          { path, group: 'daemon', reload: reload.command },
          { path: host.at('app/b.conf'), mode: '0644', reload: reload.command },
        ],
      });
      await host.listen(socketOf());
      at.lab.ssm.put({ name: '/berth/app/port', value: '8080' });
      at.lab.ssm.put({ name: '/berth/app/json', value: '{"a": 1}' });
      at.lab.ssm.put({ name: '/berth/app/password', value: 'correct-horse', type: 'SecureString' });
      put(
        {
          path,
          content: 'port {{ssm:/berth/app/port}}\npassword {{ssm-secure:/berth/app/password}}\n',
          group: 'daemon',
          mode: '0640',
          reload,
        },
        { path: host.at('app/b.conf'), content: '{{ssm:/berth/app/json}}', mode: '644', reload },
      );
      const daemon = at.start(stored);
      const { files } = await at.status('ready', ({ ready }) => ready);
      expect(content()).toBe('port 8080\npassword correct-horse\n');
      expect(statSync(path)).toMatchObject({ uid: 0, gid: 1 });
      // A text, and no object.
      expect(content(host.at('app/b.conf'))).toBe('{"a": 1}');
      expect(statSync(host.at('app/b.conf')).mode & 0o777).toBe(0o644);
      expect(content(host.at('reloads'))).toBe('reloaded\n');
      expect(files).toEqual([
        { path, state: 'in-place' },
        { path: host.at('app/b.conf'), state: 'in-place' },
      ]);
      expect((await at.command('status')).stdout).toMatch(/^files +2 of 2 in place$/m);
      expect(host.requests()).toBe(1);
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
      // Nothing differs: the writer is not asked.
      at.start(stored);
      await at.status('again', ({ ready, pid }) => ready && pid !== daemon.pid);
      expect(host.requests()).toBe(1);
    });

    test('are put right when they drift: content, mode, away', async () => {
      const reload = sh(`echo reloaded >> ${host.at('reloads')}`);
      allow({ reload });
      await host.listen(socketOf());
      put({ path, content: 'wanted\n', reload });
      at.start(stored, fastTime);
      await at.status('ready', ({ ready }) => ready);
      const reloads = (): number => (content(host.at('reloads')) ?? '').split('\n').length - 1;
      const drifts = [
        () => writeFileSync(path, 'somebody else\n'),
        () => chmodSync(path, 0o666),
        () => rmSync(path),
      ];
      for (const [i, drift] of drifts.entries()) {
        drift();
        await comesTrue('it is put right', () => reloads() === i + 2);
        expect({ i, content: content(), mode: statSync(path).mode & 0o777 }).toEqual({
          i,
          content: 'wanted\n',
          mode: 0o640,
        });
      }
    });

    test('change with a reload of the configuration, without a restart; what is left out stays as it is', async () => {
      allow();
      await host.listen(socketOf());
      const other = host.at('app/b.conf');
      put({ path, content: 'first secret-like text\n' });
      const daemon = at.start(stored);
      await daemon.line('ready', isReady);
      put({ path, content: 'second\n' }, { path: other, content: 'other\n' });
      const reloaded = await at.command('reload');
      expect(reloaded.stdout).toMatch(/version 2 is in force\n$/);
      await comesTrue(
        'both are new',
        () => content() === 'second\n' && content(other) === 'other\n',
      );
      await stateOf(other, 'in-place');
      const { changes } = await daemon.line('changes', ({ msg }) => msg === 'a new configuration');
      expect(changes).toContain('files[0].content: *** -> ***');
      expect(JSON.stringify(changes)).not.toContain('other');
      put({ path: other, content: 'other\n' });
      await at.command('reload');
      const { files } = await at.status('one', (status) => status.files.length === 1);
      expect(files.map((one) => one.path)).toEqual([other]);
      expect(content()).toBe('second\n');
    });

    test('that cannot be written hold back nothing: said once, in the status, and tried again', async () => {
      put({ path, content: 'x\n' });
      const daemon = at.start(stored, fastTime);
      await daemon.line('ready', isReady);
      const { files } = await stateOf(path, 'failing');
      const noSocket = `cannot write files: nobody listens on ${socketOf()}: systemctl enable --now berth-files.socket`;
      expect(files).toEqual([{ path, state: 'failing', message: noSocket }]);
      await at.status('ready all the same', ({ ready }) => ready);
      expect((await at.command('status')).stdout).toContain(noSocket);
      const doctor = await command('doctor', '--config', `ssm:${parameter}`);
      expect(doctor.stdout).toMatch(
        /failure {2}files +nobody listens on .*; fix: systemctl enable --now berth-files\.socket/,
      );
      expect(doctor.stdout).toMatch(/files +.*files\.json.*"files": \[\{"path":".*a\.conf"\}\]/);

      await host.listen(socketOf());
      const refusal = `cannot write ${path}: there is no ${host.policyPath}, which has to allow it: {"files": [{"path":"${path}"}]}`;
      await at.command('reload');
      await at.status('refused', ({ files }) => files[0]?.message === refusal);
      for (const count of [2, 3]) {
        await at.command('reload');
        await comesTrue('tried again', () => host.requests() >= count);
      }
      const warnings = daemon.lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
      expect(warnings.filter((msg) => msg === refusal)).toHaveLength(1);
      expect(warnings.filter((msg) => msg === noSocket)).toHaveLength(1);
      allow();
      await stateOf(path, 'in-place');
      expect(content()).toBe('x\n');
    });

    test('a check that fails keeps the old file; a reload that fails is tried again, by the next process too', async () => {
      const check = sh('grep -q good "$0"', '{}');
      const reload = sh(`test -e ${host.at('fixed')} && cp ${path} ${host.at('reloaded')}`);
      allow({ check, reload });
      await host.listen(socketOf());
      writeFileSync(path, 'old\n');
      put({ path, content: 'bad\n', check, reload });
      const daemon = at.start(stored, fastTime);
      const first = await stateOf(path, 'failing');
      expect(first.files[0]!.message).toContain('its check "sh" ended with code 1');
      expect(content()).toBe('old\n');
      put({ path, content: 'good\n', check, reload });
      daemon.kill('SIGKILL');
      await daemon.ended;
      const next = at.start(stored, fastTime);
      const second = await at.status('written', ({ files }) =>
        Boolean(files[0]?.message?.startsWith('cannot reload after')),
      );
      expect(second.files[0]!.state).toBe('failing');
      expect(content()).toBe('good\n');
      // The file is as it is to be, and still the reload is due.
      next.kill('SIGKILL');
      await next.ended;
      writeFileSync(host.at('fixed'), '');
      at.start(stored, fastTime);
      await stateOf(path, 'in-place');
      expect(content(host.at('reloaded'))).toBe('good\n');
    });

    test.each<[string, (file: string) => object, RegExp]>([
      ['a check that fails', () => ({ content: 'bad\n' }), /its check "sh" ended with code 1/],
      ['a reload that fails', () => ({ content: 'good poison\n' }), /^cannot reload after/],
      ['a file that is not allowed', (file) => ({ path: `${file}.d/x` }), /does not allow/],
    ])(
      'a version under which they do not get into place is rolled back: %s',
      async (_, spoil, why) => {
        const check = sh('grep -q good "$0"', '{}');
        const reload = sh(`! grep -q poison ${path} && cp ${path} ${host.at('reloaded')}`);
        const other = host.at('app/other.conf');
        allow({ check, reload });
        await host.listen(socketOf());
        const good = { path, content: 'good\n', check, reload };
        put(good);
        const daemon = at.start(stored);
        await stateOf(path, 'in-place');
        await daemon.line('ready', isReady);

        const value = { files: [{ ...good, ...spoil(path) }], monitoring: {} };
        at.lab.ssm.put({ name: parameter, value: JSON.stringify(value) });
        const refused = await at.command('reload');
        expect(refused.code).toBe(78);
        expect(refused.stderr).toMatch(/cannot/);
        const status = await at.status(
          'as before',
          ({ config, files }) =>
            config?.rejected !== undefined && files.every(({ state }) => state === 'in-place'),
        );
        expect(status).toMatchObject({
          ready: true,
          config: { version: 1, rejected: { version: 2, reason: expect.stringMatching(why) } },
          files: [{ path }],
        });
        expect(content()).toBe('good\n');
        expect(content(host.at('reloaded'))).toBe('good\n');
        // Nor is the rest of that version in force.
        expect(existsSync(join(at.runtimeDir, 'http.sock'))).toBe(false);

        put(good, { ...good, path: other });
        expect(await at.command('reload')).toMatchObject({ code: 0 });
        expect(content(other)).toBe('good\n');
      },
    );

    test('one that fails since before is no reason to refuse another version', async () => {
      allow();
      await host.listen(socketOf());
      const bad = { path: host.at('nowhere/a.conf'), content: 'x\n' };
      put(bad);
      at.start(stored);
      await stateOf(bad.path, 'failing');
      put(bad, { path, content: 'y\n' });
      expect(await at.command('reload')).toMatchObject({ code: 0 });
      expect(content()).toBe('y\n');
    });

    test('a program that hangs holds ready back for as long as it may', async () => {
      const check = { ...sh('sleep 3000', '{}'), timeoutSeconds: 3 };
      allow({ check });
      await host.listen(socketOf());
      put({ path, content: 'x\n', check });
      at.start(stored);
      const waiting = await at.status('waiting', ({ message }) =>
        message.endsWith('; its files are not in place yet'),
      );
      expect(waiting).toMatchObject({ ready: false, phase: 'configuring' });
      const { files } = await at.status('ready', ({ ready }) => ready);
      expect(files[0]).toMatchObject({ state: 'failing' });
    });

    test.skipIf(noHungMount !== '')(
      `on a file system that hangs are named, and stop nothing else${noHungMount}`,
      async () => {
        const dead = ['a', 'b', 'c', 'd', 'e'].map((name) => host.at(`dead/${name}/x.conf`));
        host.allow({ files: [...dead, path].map((one) => ({ path: one })) });
        await host.listen(socketOf());
        const hung = await hungMount(host.at('dead'));
        await using _hung = hung;
        put(...[...dead, path].map((one) => ({ path: one, content: 'wanted\n' })));
        // Alone: of two in the same folder the kernel lets the second end only with the first.
        const { stdout } = await command('plan', '--config', `ssm:${parameter}`);
        expect(stdout).toContain(`${dead[4]} cannot read ${dead[4]}: its file system does not`);
        expect(stdout).toContain(`${path} is written: root:root 0640`);
        at.start(stored, fastTime);
        await comesTrue('the other is written', () => content() === 'wanted\n');
        // The writer looks into its folders as well.
        await comesTrue('its writer has ended', () => host.running() === 0);
        const { files } = await at.status('ready', ({ ready }) => ready);
        expect(files).toEqual([
          ...dead.map((one) => ({
            path: one,
            state: 'failing',
            message: `cannot read ${one}: its file system does not answer`,
          })),
          { path, state: 'in-place' },
        ]);
        writeFileSync(path, 'somebody else\n');
        await comesTrue('it is put right', () => content() === 'wanted\n');
        await hung[Symbol.asyncDispose]();
        for (const one of dead) mkdirSync(dirname(one), { recursive: true });
        await stateOf(dead[4]!, 'in-place');
        expect(content(dead[0])).toBe('wanted\n');
      },
    );

    test('berth plan shows what would change, secrets masked', async () => {
      at.lab.ssm.put({ name: '/berth/app/password', value: 'correct-horse', type: 'SecureString' });
      const lines = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'];
      writeFileSync(path, `${lines.join('\n')}\npassword rotated-away\n`);
      chmodSync(path, 0o640);
      const open = host.at('app/open.conf');
      writeFileSync(open, 'listen 80\n');
      const same = host.at('app/same.conf');
      writeFileSync(same, 'same\n');
      chmodSync(same, 0o600);
      put(
        { path, content: `${lines.join('\n')}\npassword {{ssm-secure:/berth/app/password}}\n` },
        { path: open, content: 'listen 81\n', mode: '0644' },
        { path: same, content: 'same\n', mode: '0600' },
        { path: host.at('app/new.conf'), content: 'new\n', owner: 'nobody-here' },
      );
      const { stdout } = await command('plan', '--config', `ssm:${parameter}`);
      const shown = stdout.slice(stdout.indexOf('file '));
      expect(shown).toBe(
        [
          `file       ${path} is written anew: root:root 0640`,
          '           @...',
          '            six',
          '            seven',
          '           -***',
          '           +password ***',
          `file       ${open} is written anew: root:root 0644`,
          '           -listen 80',
          '           +listen 81',
          `file       ${same} is in place`,
          `file       ${host.at('app/new.conf')} cannot be written: there is no user nobody-here`,
          '',
        ].join('\n'),
      );
      const json = await command('plan', '--json', '--config', `ssm:${parameter}`);
      const { files } = JSON.parse(json.stdout) as { files: readonly object[] };
      expect(files[1]).toEqual({
        path: open,
        step: 'is written anew: root:root 0644',
        diff: ['-listen 80', '+listen 81'],
      });
      expect(stdout + json.stdout).not.toMatch(/correct-horse|rotated-away/);
      expect(content(open)).toBe('listen 80\n');
    });
  },
);
