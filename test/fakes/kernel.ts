// The part of the kernel and of iproute2 that routing uses, in memory. It refuses what they refuse: duplicates,
// unknown words, devices that are gone or down, gateways nobody knows. `real kernel` tests hold it to the truth.
import { BerthError } from '../../src/errors.ts';
import type { Exec, ExecResult } from '../../src/system/exec.ts';
import { createKernelTables, type KernelTables, Refusal } from './kernel-tables.ts';

export type FakeKernel = KernelTables & {
  readonly exec: Exec;
  /** Lines that changed something or tried to, as a person would type them. */
  readonly lines: readonly string[];
  /** Answers a line with this error of `ip` instead of running it; undefined: runs it. */
  refuse: (line: string) => string | undefined;
  /** Called before each line that changes something. */
  before: (line: string) => void;
  /** `ip` is not installed. */
  missing: boolean;
};

export function createFakeKernel(): FakeKernel {
  const tables = createKernelTables();
  const lines: string[] = [];
  const kernel: FakeKernel = {
    ...tables,
    lines,
    refuse: () => undefined,
    before: () => undefined,
    missing: false,
    exec: {
      run: ({ argv, stdin }) => {
        const [file, ...args] = argv;
        if (kernel.missing || file !== 'ip') {
          const error = new BerthError(
            'command-missing',
            `cannot run "${file}": it is not installed`,
          );
          return Promise.reject(error);
        }
        return Promise.resolve(runIp(args, stdin ?? ''));
      },
      follow: (_argv, _onLine, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true });
        }),
    },
  };

  const runIp = (args: readonly string[], stdin: string): ExecResult => {
    const flags = args.filter((arg) => arg.startsWith('-') && arg !== '-');
    const words = args.filter((arg) => !arg.startsWith('-'));
    const family = flags.includes('-6') ? 'ipv6' : 'ipv4';
    const input = flags.includes('-batch') ? stdin.split('\n').filter(Boolean) : [words.join(' ')];
    const out: string[] = [];
    for (const [index, line] of input.entries()) {
      try {
        const answer = runLine(line, family);
        if (answer !== undefined) out.push(`${JSON.stringify(answer)}\n`);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (flags.includes('-force')) continue;
        const stderr = `${error.message}\nCommand failed -:${index + 1}\n`;
        return { code: 1, stdout: out.join(''), stderr };
      }
    }
    return { code: 0, stdout: out.join(''), stderr: '' };
  };

  const runLine = (line: string, family: 'ipv4' | 'ipv6'): unknown => {
    if (/^(rule|route|addr|link) show|^route get|^neigh/.test(line))
      return tables.read(line, family);
    const typed = family === 'ipv6' ? `ip -6 ${line}` : `ip ${line}`;
    kernel.before(typed);
    lines.push(typed);
    const refusal = kernel.refuse(typed);
    if (refusal !== undefined) throw new Refusal(refusal);
    tables.change(line, family);
    return undefined;
  };
  return kernel;
}
