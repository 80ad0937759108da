// The real `berth doctor` in a process of its own: it ends in time though everything hangs for real, and goes by what the
// unit gives the daemon.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findingsOf } from '../../src/commands/doctor.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { berth, type Ran } from '../fixtures/berth-command.ts';
import {
  canMount,
  createUnitHost,
  instanceId,
  namespaces,
  type UnitHost,
} from '../fixtures/unit-host.ts';
import { mainFile } from '../lab/daemon-process.ts';

const nameServer = '127.0.0.77';
/** Where the kernel has it: a process that waits for it can be killed, and ends only then. */
const canHang = canMount && existsSync('/dev/fuse');

/**
 * In a mount namespace: its own /etc/default; its own resolv.conf, and a file system that never answers, where they are given.
 * Of the latter another process has the server's end. Nothing is interpolated.
 */
const view = `
  mount --bind "$1" /etc/default || exit 97
  if [ -n "$2" ]; then
    at=$(readlink -m /etc/resolv.conf)
    [ -e "$at" ] || { mkdir -p "$(dirname "$at")" && : > "$at"; } || exit 98
    mount --bind "$2" "$at" || exit 99
  fi
  if [ -n "$3" ]; then
    exec 5<>/dev/fuse || exit 95
    mount -i -t fuse -o fd=5,rootmode=40000,user_id=0,group_id=0 silent "$3" || exit 96
    sleep 60 >/dev/null 2>&1 </dev/null &
    echo $! > "$1/holder"
    exec 5>&-
  fi
  shift 3
  exec "$@"`;

type View = {
  readonly resolver?: string;
  /** A folder. */
  readonly hung?: string;
  readonly env?: Readonly<Record<string, string>>;
};

describe('berth doctor', () => {
  let host: UnitHost;
  let lab: UnitHost['lab'];
  let folder: UnitHost['folder'];
  let etcDefault: string;
  beforeEach(async () => {
    host = await createUnitHost();
    ({ lab, folder, etcDefault } = host);
  });
  afterEach(() => host[Symbol.asyncDispose]());

  const run = async (
    flags: readonly string[],
    { resolver = '', hung = '', env = {} }: View = {},
  ): Promise<Ran & { readonly tookMs: number; readonly findings: readonly Finding[] }> => {
    const startMs = performance.now();
    const ran = await berth(['doctor', '--json', ...flags], {
      prefix: ['unshare', '--mount', 'sh', '-c', view, 'sh', etcDefault, resolver, hung],
      env: { AWS_EC2_METADATA_SERVICE_ENDPOINT: await lab.imdsFor(instanceId), ...env },
    });
    const { findings } = JSON.parse(ran.stdout) as { findings: readonly Finding[] };
    return { ...ran, tookMs: performance.now() - startMs, findings };
  };
  const places = (): readonly string[] => [
    `--state-dir=${folder.path}`,
    `--runtime-dir=${folder.path}`,
  ];
  const program = (name: string, text: string): void => {
    const path = folder.file(name, text);
    chmodSync(path, 0o755);
  };

  test.skipIf(!canMount)(
    `everything hangs for real: it says so, and is gone within 15 s${namespaces}`,
    async () => {
      // A resolver that takes questions and never answers.
      const questions = createSocket('udp4');
      host.defer(() => new Promise<void>((done) => void questions.close(() => done())));
      questions.bind(53, nameServer);
      await once(questions, 'listening');
      let asked = 0;
      questions.on('message', () => (asked += 1));
      const resolver = folder.file(
        'resolv.conf',
        `nameserver ${nameServer}\noptions timeout:30 attempts:5\n`,
      );
      // A daemon that takes connections and never says a word.
      const open = new Set<Socket>();
      const silent = createServer((socket) => void open.add(socket));
      silent.listen(join(folder.path, 'status.sock'));
      await once(silent, 'listening');
      host.defer(async () => {
        for (const socket of open) socket.destroy();
        silent.close();
        await once(silent, 'close');
      });
      // Programs that never end, and a FIFO that nobody writes.
      program('ip', '#!/bin/sh\nexec sleep 1000\n');
      program('systemctl', '#!/bin/sh\nexec sleep 1000\n');
      const fifo = join(folder.path, 'config.json');
      spawnSync('mkfifo', [fifo, join(etcDefault, 'berth')]);
      // A file server that is away.
      const hung = join(folder.path, 'state');
      mkdirSync(hung);
      host.defer(() => {
        const holder = join(etcDefault, 'holder');
        if (existsSync(holder)) process.kill(Number(readFileSync(holder, 'utf8')));
      });

      const flags = [`--config=${fifo}`, `--state-dir=${hung}`, `--runtime-dir=${folder.path}`];
      const { tookMs, findings, code } = await run(flags, {
        resolver,
        hung: canHang ? hung : '',
        env: { PATH: `${folder.path}:${process.env['PATH']}` },
      });
      expect(tookMs).toBeLessThan(15_000);
      expect(code).toBe(1);
      const late = findings.filter(({ message }) => /^no answer within|no end after/.test(message));
      expect(late.map(({ check }) => check).toSorted()).toEqual([
        'config',
        'daemon',
        ...(canHang ? ['disk'] : []),
        'others',
        'versions',
      ]);
      const ec2 = findings.filter(({ check }) => check === 'ec2');
      expect(ec2).toMatchObject([
        { result: 'failure', fix: expect.stringContaining('let DNS, the routes') },
      ]);
      expect(late.find(({ check }) => check === 'config')!.fix).toContain(`make ${fifo} a regular`);
      expect([...late, ...ec2].filter(({ fix }) => fix === undefined)).toEqual([]);
      // What does not hang is told all the same.
      expect(findings.filter(({ result }) => result === 'ok').map(({ check }) => check)).toEqual(
        expect.arrayContaining(['imds', 'role']),
      );
      expect(asked).toBeGreaterThan(0);
      expect(leftOver(folder.path)).toEqual([]);
    },
  );

  test('it is stopped: it is gone, with all that it has started', async () => {
    const fifo = join(folder.path, 'config.json');
    spawnSync('mkfifo', [fifo]);
    const argv = [mainFile, 'doctor', `--config=${fifo}`, ...places()];
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: await lab.imdsFor(instanceId) };
    const child = spawn(process.execPath, argv, { env, stdio: 'ignore' });
    const closed = once(child, 'close');
    await expect.poll(() => leftOver(folder.path), { timeout: 10_000 }).toHaveLength(2);
    child.kill('SIGTERM');
    const [code] = (await closed) as [number];
    expect(code).toBe(1);
    await expect.poll(() => leftOver(folder.path), { timeout: 10_000 }).toEqual([]);
  });

  test.skipIf(!canMount)(`it goes by the flags that the unit has${namespaces}`, async () => {
    const config = folder.file('berth.json', '{"pool": "db"}');
    // A link, as the management of a fleet may leave it.
    symlinkSync(join(folder.path, 'defaults'), join(etcDefault, 'berth'));
    writeFileSync(
      join(folder.path, 'defaults'),
      `# flags\nBERTH_FLAGS="--config ${config} --state-dir=${folder.path} --runtime-dir '${folder.path}'"\n` +
        `AWS_ENDPOINT_URL=${lab.endpoint}\n`,
    );
    const { findings } = await run([]);
    expect(configOf(findings)).toEqual([`ok: file ${config}`, 'ok: pool db: 1 of 1 free']);
    expect(findings.find(({ check }) => check === 'disk')!.message).toContain(folder.path);
    // What is typed comes first.
    const other = folder.file('other.json', '{"pool": "other"}');
    const typed = await run([`--config=${other}`]);
    expect(configOf(typed.findings)).toEqual([
      `ok: file ${other}`,
      'failure: pool other has no ENI in eu-west-1',
    ]);
  });

  test.skipIf(!canMount)(`flags with which the daemon cannot start${namespaces}`, async () => {
    writeFileSync(join(etcDefault, 'berth'), 'BERTH_FLAGS=--pool db\n');
    const { findings, code } = await run(places(), { env: { AWS_ENDPOINT_URL: lab.endpoint } });
    expect(code).toBe(1);
    expect(findings[0]).toEqual({
      check: 'config',
      result: 'failure',
      message: "BERTH_FLAGS of /etc/default/berth: Unknown option '--pool'",
      fix: expect.stringMatching(/^correct \/etc\/default\/berth .*systemctl restart berth$/),
    });
  });

  test('what it cannot begin with ends it, in one line', async () => {
    const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'ftp://imds' };
    const { code, stdout, stderr } = await berth(['doctor', ...places()], { env });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^berth: cannot use AWS_EC2_METADATA_SERVICE_ENDPOINT: set it to .+\n$/);
  });

  test('an examiner that dies in the middle of its report is a finding', () => {
    const whole = [{ check: 'disk', result: 'ok', message: 'fine', fix: undefined }];
    const line = JSON.stringify(whole);
    expect(findingsOf(line)).toEqual([{ check: 'disk', result: 'ok', message: 'fine' }]);
    expect(findingsOf(line.slice(0, -3))).toEqual([
      expect.objectContaining({ result: 'failure', message: expect.stringContaining('killed') }),
    ]);
  });
});

const configOf = (findings: readonly Finding[]): readonly string[] =>
  findings
    .filter(({ check }) => check === 'config' || check === 'pool')
    .map(({ result, message }) => `${result}: ${message}`);

/** Processes that have this folder in their arguments. */
function leftOver(path: string): readonly string[] {
  const { stdout } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.includes(path) && !line.startsWith('ps '));
}
