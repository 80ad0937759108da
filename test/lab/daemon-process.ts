// A real `berth run`, or another program that logs, as a child process with its log as it comes.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

export type DaemonProcess = AsyncDisposable & {
  readonly pid: number;
  /** performance.now() when it was spawned. */
  readonly spawnedMs: number;
  readonly lines: readonly LogLine[];
  readonly stderr: () => string;
  /** The first line, past or to come, that fits. Rejects when the process ends before. */
  line(what: string, fits: (line: LogLine) => boolean): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  /** Exit code, or the name of the signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
};

export type DaemonProcessInput = {
  /** Run inside a host of the VPC, with fewer rights, ...: argv before the program. */
  readonly prefix: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The source, or the bundle. Default: the source. */
  readonly main?: string;
};

export const mainFile = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

/** What the unit grants, whoever starts it: these two capabilities and nothing else. */
export const unitRights = [
  'setpriv',
  '--no-new-privs',
  '--inh-caps=-all',
  '--bounding-set=-all,+net_admin,+dac_read_search',
] as const;

export function startDaemon({ prefix, args, env, main }: DaemonProcessInput): DaemonProcess {
  return startProgram({ argv: [...prefix, ...daemonArgv(args, main)], env });
}

export function daemonArgv(args: readonly string[], main = mainFile): readonly string[] {
  return [process.execPath, '--disable-warning=ExperimentalWarning', main, ...args];
}

export function startProgram({
  argv,
  env,
}: {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}): DaemonProcess {
  const spawnedMs = performance.now();
  const child: ChildProcess = spawn(argv[0]!, argv.slice(1), {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: LogLine[] = [];
  const listeners = new Set<() => void>();
  let stderr = '';
  let over = false;
  const wake = (): void => {
    for (const listener of listeners) listener();
  };
  createInterface({ input: child.stdout! }).on('line', (text) => {
    try {
      lines.push(JSON.parse(text) as LogLine);
    } catch {
      lines.push({ msg: text });
    }
    wake();
  });
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = (async () => {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    over = true;
    wake();
    return code ?? signal ?? 1;
  })();
  return {
    pid: child.pid ?? 0,
    spawnedMs,
    lines,
    stderr: () => stderr,
    ended,
    kill: (signal) => void child.kill(signal),
    line: (what, fits) =>
      new Promise((resolve, reject) => {
        let next = 0;
        const look = (): void => {
          for (; next < lines.length; next++) {
            if (!fits(lines[next]!)) continue;
            listeners.delete(look);
            resolve(lines[next]!);
            return;
          }
          if (!over) return;
          listeners.delete(look);
          const tail = lines.slice(-5).map((line) => line.msg);
          reject(
            new Error(`the program ended before it said ${what}: ${stderr}${JSON.stringify(tail)}`),
          );
        };
        listeners.add(look);
        look();
      }),
    [Symbol.asyncDispose]: async () => {
      if (!over) child.kill('SIGKILL');
      await ended;
    },
  };
}
