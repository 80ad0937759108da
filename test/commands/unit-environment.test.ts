// What the unit gives the daemon counts for whoever asks beside it: by the real commands, over an /etc/default of their own.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseEnvironment, wordsOf } from '../../src/commands/unit-environment.ts';
import { berth, type Ran } from '../fixtures/berth-command.ts';
import { rolePolicies } from '../fixtures/role.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { createLab, type Lab } from '../lab/lab.ts';

const instanceId = 'i-00000000000000009';
const subnetId = 'subnet-0000000000000000a';
const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;
const namespaces = canMount ? '' : ' (skipped: no mount namespaces here)';

describe('the environment of the unit', () => {
  let stack: AsyncDisposableStack;
  let folder: ReturnType<typeof temporaryFolder>;
  let lab: Lab;
  let etcDefault: string;
  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    folder = stack.use(temporaryFolder());
    lab = stack.use(await createLab());
    lab.ec2.addSubnet({
      subnetId,
      vpcId: 'vpc-0123456789abcdef0',
      availabilityZone: 'eu-west-1a',
      availabilityZoneId: 'euw1-az-a',
      ipv4Cidr: '10.0.1.0/24',
    });
    lab.ec2.launch({ instanceId, subnetId, instanceType: 't3.medium' });
    lab.setPolicies(instanceId, rolePolicies());
    lab.ec2.addEni({ subnetId, tags: { 'berth:pool': 'db' } });
    etcDefault = join(folder.path, 'default');
    mkdirSync(etcDefault);
  });
  afterEach(async () => {
    await stack.disposeAsync();
  });

  const run = (...args: readonly string[]): Promise<Ran> =>
    berth(args, {
      prefix: ['unshare', '--mount', 'sh', '-c', view, 'sh', etcDefault],
    });

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

  test.skipIf(!canMount)(
    `what cannot be read, or is wrong, is said and left out${namespaces}`,
    async () => {
      const file = join(etcDefault, 'berth');
      writeFileSync(file, 'BERTH_FLAGS=--runtime-dirr /run/x\n');
      const { code, stderr } = await run('status');
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /^berth: BERTH_FLAGS of \/etc\/default\/berth: .*--runtime-dirr.*; it is left out here\n.*\/run\/berth\/status.sock/,
      );
    },
  );

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
