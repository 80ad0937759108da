// What the unit gives the daemon counts for whoever asks beside it: by the real commands, over an /etc/default of their own.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseEnvironment, wordsOf } from '../../src/commands/unit-environment.ts';
import { berth, type Ran } from '../fixtures/berth-command.ts';
import {
  canMount,
  createUnitHost,
  instanceId,
  namespaces,
  type UnitHost,
} from '../fixtures/unit-host.ts';

describe('the environment of the unit', () => {
  let host: UnitHost;
  let lab: UnitHost['lab'];
  let folder: UnitHost['folder'];
  let etcDefault: string;
  beforeEach(async () => {
    host = await createUnitHost();
    ({ lab, folder, etcDefault } = host);
  });
  afterEach(() => host[Symbol.asyncDispose]());

  const runAs = (
    {
      rights = [],
      env = {},
    }: { rights?: readonly string[]; env?: Readonly<Record<string, string>> },
    ...args: readonly string[]
  ): Promise<Ran> =>
    berth(args, {
      prefix: ['unshare', '--mount', 'sh', '-c', view, 'sh', etcDefault, ...rights],
      env,
    });
  const run = (...args: readonly string[]): Promise<Ran> => runAs({}, ...args);

  test.skipIf(!canMount)(
    `plan, pool and status go by it, and by what is typed before${namespaces}`,
    async () => {
      const config = folder.file('berth.json', '{"pool": "db"}');
      const imds = await lab.imdsFor(instanceId);
      writeFileSync(
        join(etcDefault, 'berth'),
        `BERTH_FLAGS="--config ${config} --state-dir=${folder.path} --runtime-dir=${folder.path}"\n` +
          `AWS_ENDPOINT_URL=${lab.endpoint}\nAWS_EC2_METADATA_SERVICE_ENDPOINT=${imds}\n`,
      );
      expect(await run('plan', '--json')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(config),
      });
      const { stdout } = await run('pool', '--json');
      expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['db']);
      expect(await run('facts', '--json')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(instanceId),
      });
      expect((await run('status')).stderr).toContain(join(folder.path, 'status.sock'));
      expect((await run('status', '--runtime-dir=/run/other')).stderr).toContain(
        '/run/other/status.sock',
      );
    },
  );

  test.skipIf(!canMount)(`what is wrong is said and left out${namespaces}`, async () => {
    writeFileSync(join(etcDefault, 'berth'), 'BERTH_FLAGS=--runtime-dirr /run/x\n');
    const { code, stderr } = await run('status');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^berth: BERTH_FLAGS of \/etc\/default\/berth: .*--runtime-dirr.*; it is left out here\n.*\/run\/berth\/status.sock/,
    );
  });

  test.skipIf(!canMount)(
    `what cannot be read is said and left out, unless systemd has read it${namespaces}`,
    async () => {
      const file = join(etcDefault, 'berth');
      writeFileSync(file, 'BERTH_FLAGS=--runtime-dir=/run/x\n', { mode: 0o000 });
      const rights = ['setpriv', '--inh-caps=-all', '--bounding-set=-all'];
      const { stderr } = await runAs({ rights }, 'status');
      expect(stderr).toMatch(/^berth: cannot .*\/etc\/default\/berth.*; it is left out here\n/);
      expect(stderr).toContain('/run/berth/status.sock');
      const env = { BERTH_FLAGS: '--runtime-dir=/run/x' };
      const told = await runAs({ rights, env }, 'status');
      expect(told.stderr).toMatch(/^berth: [^\n]*\/run\/x\/status.sock[^\n]*\n$/);
    },
  );

  test.skipIf(!canMount)(
    `what Node reads at its start counts as well, certificates of one's own${namespaces}`,
    async () => {
      const marker = folder.file('marker.cjs', "process.stderr.write('read by Node\\n');");
      writeFileSync(join(etcDefault, 'berth'), `NODE_OPTIONS=--require=${marker}\n`);
      const { code, stderr } = await run('status', '--runtime-dir=/run/x');
      expect(code).toBe(1);
      expect(stderr).toMatch(/^read by Node\nberth: [^\n]*\/run\/x\/status.sock[^\n]*\n$/);
    },
  );

  test('in the unit of an application its folders are not those of berth', async () => {
    const env = { RUNTIME_DIRECTORY: '/run/myapp', STATE_DIRECTORY: '/var/lib/myapp' };
    expect((await berth(['status'], { env })).stderr).toContain('/run/berth/status.sock');
  });

  test.each([
    ['A=1\n# B=2\n; C=3\n D = 4\nE= x \n', { A: '1', E: 'x' }],
    [`A="a b"\nB='a "b"'\nC="say \\"x\\""\n`, { A: 'a b', B: 'a "b"', C: 'say "x"' }],
    ['A=one \\\ntwo\n', { A: 'one two' }],
  ])('an environment file: %j', (file, expected) => {
    expect(parseEnvironment(file)).toEqual(expected);
  });

  test('words of flags', () => {
    expect(wordsOf(` --config "ssm:/a ssm:/b"  --log-level='debug' -x `)).toEqual([
      '--config',
      'ssm:/a ssm:/b',
      '--log-level=debug',
      '-x',
    ]);
  });
});

/** Nothing is interpolated. */
const view = `
  mount --bind "$1" /etc/default || exit 97
  shift
  exec "$@"`;
