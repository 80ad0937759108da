// The bundle that installs run: built as `npm run build` does, it is the same program.
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeCode } from '../packaging/code.ts';
import packageJson from '../package.json' with { type: 'json' };
import { buildBundle } from './lab/bundle.ts';
import { startDaemon, startProgram, unitRights } from './lab/daemon-process.ts';
import { inNamespaces, needsNamespaces, scratch } from './lab/environment.ts';
import { createSmallCloud, poolEni } from './lab/small-cloud.ts';
import { unitFlags } from './lab/unit-flags.ts';

/** Out of the tree, where no package can be found: what the bundle needs is in it. */
const folder = mkdtempSync(join(scratch, 'berth-bundle-'));
let main = '';

beforeAll(async () => {
  main = await buildBundle(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], input = '') {
  const { PATH = '' } = process.env;
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env: { PATH }, input });
}

describe('the bundle', () => {
  test('knows its version', () => {
    expect(run(['version']).stdout).toContain(`berth ${packageJson.version} `);
  });

  test('checks a configuration', () => {
    const good = run(['check-config', '-'], '{ "pool": "db" }');
    expect(good).toMatchObject({ status: 0, stderr: '' });
    const bad = run(['check-config', '-'], '{ "poool": "db" }');
    expect(bad.status).toBe(78);
    expect(bad.stderr).toContain('did you mean pool?');
  });

  test('examines, in a process of its own', () => {
    const { status, stdout, stderr } = run(['doctor', '--json', `--runtime-dir=${folder}`]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    const { findings } = JSON.parse(stdout) as { findings: readonly { readonly check: string }[] };
    const checks = findings.map(({ check }) => check);
    expect(checks).toEqual(expect.arrayContaining(['imds', 'daemon', 'disk', 'versions']));
  });

  // The EC2 client alone is 1 MB more where it is taken as a whole.
  test('holds no more of the SDK than berth calls', () => {
    const files = globSync('*.cjs', { cwd: folder });
    const bytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    expect(files.length).toBeGreaterThan(10);
    // 270 kB of it are tables of iconv-lite, which are loaded for a code page of DOS alone.
    expect(bytes).toBeLessThan(1_450_000);
  });

  test('brings the code of every chunk: the same bytes each time, which V8 takes under the flags of the unit', () => {
    const chunks = globSync('*.cjs', { cwd: folder }).filter((file) => file !== 'main.cjs');
    expect(globSync('*', { cwd: join(folder, 'code') }).toSorted()).toEqual(chunks.toSorted());
    // Built elsewhere.
    const moved = join(folder, 'moved');
    for (const chunk of chunks) cpSync(join(folder, chunk), join(moved, chunk));
    const again = join(folder, 'again');
    writeCode({ node: [process.execPath], from: moved, into: again });
    const bytesOf = (into: string) => chunks.map((file) => readFileSync(join(into, file), 'hex'));
    expect(bytesOf(again)).toEqual(bytesOf(join(folder, 'code')));
    const judge = join(import.meta.dirname, 'lab', 'judge-code.ts');
    const { stdout } = spawnSync(process.execPath, [...unitFlags, judge, folder], {
      encoding: 'utf8',
    });
    expect(JSON.parse(stdout)).toEqual({ taken: chunks.length, refused: [] });
  });

  // 15 ms of a boot, and as much again in memory: a flag that is set before takes the code of all of them away.
  test.skipIf(!inNamespaces)(
    `until it is ready, Node compiles none of its own modules${needsNamespaces}`,
    async () => {
      await using cloud = await createSmallCloud({ latency: {}, dials: {} });
      cloud.lab.ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
      const { prefix, env } = cloud.inside('inst-a');
      const watcher = join(import.meta.dirname, 'lab', 'own-code.ts');
      const flags = [...unitFlags, '--expose-internals', '--import', watcher];
      const argv = [...prefix, ...unitRights, process.execPath, ...flags, main, 'run'];
      await using daemon = startProgram({ argv, env });
      await daemon.line('ready', (line) => line['phase'] === 'ready');
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
      expect(daemon.stderr()).toContain('compiled anew: []\n');
    },
  );

  test.skipIf(!inNamespaces)(`boots an instance${needsNamespaces}`, async () => {
    await using cloud = await createSmallCloud({ latency: {}, dials: {} });
    cloud.lab.ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
    const { prefix, env } = cloud.inside('inst-a');
    await using daemon = startDaemon({
      prefix: [...prefix, ...unitRights],
      args: ['run'],
      env,
      main,
    });
    await daemon.line('ready', (line) => line['phase'] === 'ready');
    await cloud.vpc.serve('inst-a', 7000);
    const { ok } = await cloud.vpc.probe('far', poolEni.privateIpv4, 7000, 1_000);
    expect(ok).toBe(true);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });
});
