// The daemon of `npm run soak`: the bundle, run as the unit runs it, killed and started again; and its size as the kernel
// tells it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram, type DaemonProcess } from './daemon-process.ts';
import { hasProgram } from './environment.ts';
import { unitFlags } from './unit-flags.ts';

export type Size = { readonly rssBytes: number; readonly fds: number; readonly cpuSeconds: number };

export type SoakDaemon = {
  start(): void;
  /** `SIGTERM`: waits for its end; throws where it takes longer than the unit lets it, or ends badly. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** undefined: it does not run. Throws where it ended by itself. */
  size(): Size | undefined;
  readonly pid: number | undefined;
  readonly said: () => string;
};

export type SoakDaemonInput = {
  /** The bundle. */
  readonly main: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

const unit = readFileSync(
  join(import.meta.dirname, '..', '..', 'systemd', 'berth.service'),
  'utf8',
);
const maxFiles = settingOf('LimitNOFILE');
/** Beyond the unit's systemd would kill it. */
const stopMs = settingOf('TimeoutStopSec') * 1_000;

export function createSoakDaemon({ main, args, env }: SoakDaemonInput): SoakDaemon {
  const limit = [
    // Whoever ends the soak ends the daemon.
    ...(hasProgram('setpriv') ? ['setpriv', '--pdeathsig', 'KILL', '--'] : []),
    ...(hasProgram('prlimit') ? ['prlimit', `--nofile=${maxFiles}`, '--'] : []),
  ];
  let running: DaemonProcess | undefined;
  let ended: Promise<number | NodeJS.Signals> | undefined;
  let died: number | NodeJS.Signals | undefined;
  const said = (): string => {
    const lines = running?.lines.slice(-5).map((line) => JSON.stringify(line)) ?? [];
    return [running?.stderr() ?? '', ...lines].join('\n');
  };
  return {
    start: () => {
      const argv = [...limit, process.execPath, ...unitFlags, main, ...args];
      const started = startProgram({ argv, env });
      running = started;
      ended = started.ended.then((code) => {
        if (running === started) died = code;
        return code;
      });
    },
    stop: async (signal) => {
      const stopping = running!;
      running = undefined;
      stopping.kill(signal);
      const late = setTimeout(() => stopping.kill('SIGKILL'), stopMs);
      const code = await ended!;
      clearTimeout(late);
      if (signal === 'SIGTERM' && code !== 0)
        throw new Error(`SIGTERM: the daemon ended with ${code}: ${stopping.stderr()}`);
    },
    size: () => {
      if (running === undefined) return undefined;
      if (died !== undefined) throw new Error(`the daemon ended with ${died}: ${said()}`);
      return sizeOf(running.pid);
    },
    get pid() {
      return running?.pid;
    },
    said,
  };
}

/** setpriv and prlimit become the daemon, so that this is its process. */
function sizeOf(pid: number): Size | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      rssBytes: Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
      fds: readdirSync(`/proc/${pid}/fd`).length,
      cpuSeconds: (Number(ticks[11]) + Number(ticks[12])) / 100,
    };
  } catch {
    return undefined;
  }
}

function settingOf(name: string): number {
  return Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(unit)![1]);
}
