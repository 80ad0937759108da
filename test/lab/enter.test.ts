// Nothing outlives enter.ts: not its processes, not its namespaces, whatever ends it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inNamespaces, needsNamespaces } from './environment.ts';
import { until } from './progress.ts';

const enter = join(import.meta.dirname, 'enter.ts');

function run(args: readonly string[], path = process.env['PATH']): ChildProcess {
  return spawn(process.execPath, [enter, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: path },
  });
}

async function outcome(
  child: ChildProcess,
): Promise<{ code: number | null; out: string; err: string }> {
  let out = '';
  let err = '';
  child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

describe.skipIf(!inNamespaces)(`enter${needsNamespaces}`, () => {
  test('the command runs in a network of its own, with a private /run', async () => {
    const { code, out } = await outcome(run(['sh', '-c', 'ip -o link | wc -l; ls /run; exit 7']));
    expect(
      out
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean),
    ).toEqual(['1', 'netns']);
    expect(code).toBe(7);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    '%s ends all that runs inside',
    async (signal) => {
      // The grandchild holds the pipe open for as long as it lives.
      const child = run(['sh', '-c', 'ip netns add left; sleep 300 & echo up; wait']);
      const closed = once(child, 'close');
      const [first] = (await once(child.stdout!, 'data')) as [Buffer];
      expect(first.toString()).toBe('up\n');
      child.kill(signal);
      await closed;
      expect(existsSync('/run/netns/left')).toBe(false);
      expect(child.exitCode).toBe(signal === 'SIGKILL' ? null : 130);
    },
  );

  test('no file is left in the temporary folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'berth-enter-'));
    try {
      const seen = join(folder, 'seen');
      const child = run(['sh', '-c', `touch "$0" /run/inside && sleep 300`, seen]);
      const closed = once(child, 'close');
      await until('the command runs', 10_000, () => existsSync(seen) || undefined);
      child.kill('SIGTERM');
      await closed;
      expect(existsSync('/run/inside')).toBe(false);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('enter where namespaces are forbidden', () => {
  /** A host without unshare stands for one that forbids it: both fail at the first try. */
  const bare = mkdtempSync(join(tmpdir(), 'berth-bare-'));

  test('says what to do, exit code 1', async () => {
    const { code, err } = await outcome(run(['true'], bare));
    expect(code).toBe(1);
    expect(err).toMatch(/^cannot build the local VPC: .*(sysctl -w|run it as root)/);
  });

  test('--optional runs the command all the same, and says what is skipped', async () => {
    const { code, out, err } = await outcome(
      run(
        ['--optional', process.execPath, '-p', '"ran " + process.env.BERTH_LAB_NAMESPACES'],
        bare,
      ),
    );
    expect({ code, out }).toEqual({ code: 0, out: 'ran undefined\n' });
    expect(err).toMatch(/^Tests in network namespaces are skipped: /);
  });
});

test('the Node of every npm script is the pinned one', () => {
  const pinned = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
  ) as {
    optionalDependencies: Record<string, string>;
  };
  expect(new Set(Object.values(pinned.optionalDependencies))).toEqual(
    new Set([process.versions.node]),
  );
});
