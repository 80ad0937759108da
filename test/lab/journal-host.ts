// A real journald in a mount namespace of its own, and journalctl there.
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { systemLines, type Lines } from '../../src/system/lines.ts';
import { whyNoBoot } from './booted-instance.ts';

const exec = promisify(execFile);
const journald = '/usr/lib/systemd/systemd-journald';

/** undefined: it can be run here. */
export const whyNoJournal: string | undefined = (() => {
  if (whyNoBoot !== undefined) return whyNoBoot;
  try {
    accessSync(journald, constants.X_OK);
    return undefined;
  } catch {
    return `${journald} is missing: apt-get install systemd`;
  }
})();

export type JournalHost = AsyncDisposable & {
  readonly lines: Lines;
  run(...argv: readonly string[]): Promise<string>;
  /** One entry with these fields. */
  write(fields: Readonly<Record<string, string>>): Promise<void>;
  /** Waits until so many entries of this identifier are in the journal. */
  settled(identifier: string, count: number): Promise<void>;
};

const setUp = `
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/log/journal
if [ ! -s /etc/machine-id ]; then
  echo 0123456789abcdef0123456789abcdef > /run/machine-id
  mount --bind /run/machine-id /etc/machine-id
fi
${journald} &
trap 'kill $!' EXIT
until [ -S /run/systemd/journal/socket ]; do sleep 0.05; done
echo up
read -r _ || true
`;

export async function createJournalHost(): Promise<JournalHost> {
  const host = spawn('unshare', ['--mount', 'bash', '-c', setUp], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => createInterface(host.stdout).once('line', resolve));
  const inside = (argv: readonly string[]): [string, ...string[]] => [
    'nsenter',
    `--mount=/proc/${host.pid}/ns/mnt`,
    ...argv,
  ];
  const run = async (...argv: readonly string[]): Promise<string> => {
    const [file, ...args] = inside(argv);
    return (await exec(file, args)).stdout;
  };
  return {
    lines: (argv, signal) => systemLines(inside(argv), signal),
    run,
    write: async (fields) => {
      const text = Object.entries(fields)
        .map(([field, value]) => `${field}=${value}\n`)
        .join('');
      const [file, ...args] = inside(['logger', '--journald']);
      const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'inherit'] });
      child.stdin.end(text);
      await new Promise((resolve) => child.once('close', resolve));
    },
    settled: async (identifier, count) => {
      for (;;) {
        const out = await run('journalctl', '-o', 'cat', '-t', identifier, '--quiet');
        if (out.split('\n').filter(Boolean).length >= count) return;
      }
    },
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => host.once('close', resolve));
      host.stdin.end('\n');
      await ended;
    },
  };
}
