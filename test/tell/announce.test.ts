// Hooks and the environment file, with real processes and a real disk.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HooksConfig } from '../../src/model/config.ts';
import type { StatusEni } from '../../src/model/status.ts';
import { systemExec } from '../../src/system/exec.ts';
import { forgetSecrets, rememberSecret } from '../../src/secrets.ts';
import { systemFiles } from '../../src/system/files.ts';
import { createAnnounce } from '../../src/tell/announce.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const eni: StatusEni = {
  eniId: 'eni-1',
  mac: '02:00:00:00:00:01',
  ipv4: ['10.0.1.50', '10.0.1.51'],
  ipv6: [],
  device: 'ens6',
  table: 20001,
  routing: { picture: [], commands: [] },
  epoch: 7,
};
const never = new AbortController().signal;

let folder: ReturnType<typeof temporaryFolder>;
let log: MemoryLog;
beforeEach(() => {
  folder = temporaryFolder();
  log = createMemoryLog();
});
afterEach(() => folder[Symbol.dispose]());

const announceOf = (hooks: Partial<HooksConfig>, pool = 'db') =>
  createAnnounce(
    { exec: systemExec, files: systemFiles, log },
    {
      pool,
      runtimeDir: folder.path,
      hooks: () => ({
        onClaimed: undefined,
        onReady: undefined,
        onLost: undefined,
        onReleased: undefined,
        onNotice: undefined,
        environment: {},
        timeoutMs: 5_000,
        ...hooks,
      }),
    },
  );
const sh = (script: string): readonly string[] => ['sh', '-c', script, 'sh', folder.path];
const said = (): string => readFileSync(join(folder.path, 'said'), 'utf8');

describe('a hook', () => {
  test('has the variables of the configuration, which never stand for those of berth', async () => {
    const environment = { TOKEN: 'a "b" $c', BERTH_POOL: 'other' };
    const announce = announceOf({ environment, onReady: sh('env > "$1/said"') });
    await announce.hook('onReady', eni, never);
    expect(said().split('\n')).toEqual(
      expect.arrayContaining(['TOKEN=a "b" $c', 'BERTH_POOL=db', 'BERTH_HOOK=onReady']),
    );
  });

  test('a secret in what it printed is masked, also where the output is cut', async () => {
    rememberSecret('hunter22-hunter22');
    try {
      const script = 'printf "hunter22-hunter22%0490d" 0; exit 1';
      await announceOf({ onReady: sh(script) }).hook('onReady', eni, never);
    } finally {
      forgetSecrets();
    }
    const [line] = log.lines.filter(({ level }) => level === 'error');
    expect(line!['output']).toHaveLength(493);
    expect(line!['output']).toMatch(/^\*\*\*0+$/);
  });

  test('has the ENI in its environment, and nothing of ours', async () => {
    const announce = announceOf({ onReady: sh('env | sort > "$1/said"') });
    await announce.hook('onReady', eni, never);
    expect(said().split('\n')).toEqual(
      expect.arrayContaining([
        'BERTH_HOOK=onReady',
        'BERTH_POOL=db',
        'BERTH_ENI=eni-1',
        'BERTH_MAC=02:00:00:00:00:01',
        'BERTH_IPV4=10.0.1.50 10.0.1.51',
        'BERTH_IPV6=',
        'BERTH_DEVICE=ens6',
        'BERTH_EPOCH=7',
      ]),
    );
    expect(said()).not.toMatch(/^(AWS|NOTIFY|HOME|USER)/m);
  });

  test('that is not configured is none', async () => {
    await announceOf({}).hook('onLost', eni, never);
    expect(log.lines).toEqual([]);
  });

  test('comes after the one before, however slow that is', async () => {
    const announce = announceOf({
      onClaimed: sh('sleep 0.3; echo claimed >> "$1/said"'),
      onReady: sh('echo ready >> "$1/said"'),
    });
    void announce.hook('onClaimed', eni, never);
    await announce.hook('onReady', eni, never);
    expect(said()).toBe('claimed\nready\n');
  });

  test.each<readonly [string, readonly string[], RegExp]>([
    ['that fails', ['sh', '-c', 'echo why >&2; exit 3'], /^hook onReady failed with code 3$/],
    ['that is not there', ['/no/such/hook'], /^hook onReady: cannot run "\/no\/such\/hook"/],
    ['that never ends', ['sleep', '60'], /^hook onReady: cannot wait for "sleep 60"/],
  ])('%s is reported, and nothing is thrown', async (_name, onReady, expected) => {
    const timeoutMs = 300;
    await announceOf({ onReady, timeoutMs }).hook('onReady', eni, never);
    expect(log.lines).toMatchObject([{ level: 'error', msg: expect.stringMatching(expected) }]);
  });

  test('what a failing one printed is in the log', async () => {
    await announceOf({ onLost: sh('echo why >&2; exit 3') }).hook('onLost', eni, never);
    expect(log.lines).toMatchObject([{ code: 3, output: 'why', eni: 'eni-1' }]);
  });
});

describe('the environment file', () => {
  test('is there for services, and goes', async () => {
    const announce = announceOf({});
    await announce.writeEnvironment(eni);
    const path = join(folder.path, 'db.env');
    expect(readFileSync(path, 'utf8')).toBe(
      [
        'BERTH_POOL="db"',
        'BERTH_ENI="eni-1"',
        'BERTH_MAC="02:00:00:00:00:01"',
        'BERTH_IPV4="10.0.1.50 10.0.1.51"',
        'BERTH_IPV6=""',
        'BERTH_DEVICE="ens6"',
        'BERTH_EPOCH="7"',
        '',
      ].join('\n'),
    );
    expect(statSync(path).mode & 0o777).toBe(0o644);
    await announce.removeEnvironment();
    expect(() => statSync(path)).toThrow('ENOENT');
  });

  test('holds the name of any pool, quoted, inside its folder', async () => {
    await announceOf({}, '../a "b" $(c) `d`').writeEnvironment(eni);
    const path = join(folder.path, `${encodeURIComponent('../a "b" $(c) `d`')}.env`);
    expect(readFileSync(path, 'utf8')).toContain(
      String.raw`BERTH_POOL="../a \"b\" \$(c) \`d\`"` + '\n',
    );
  });

  test('a disk that fails is reported', async () => {
    await announceOf({}, 'x'.repeat(300)).writeEnvironment(eni);
    expect(log.lines).toMatchObject([{ level: 'warn', pool: 'x'.repeat(300) }]);
  });
});
