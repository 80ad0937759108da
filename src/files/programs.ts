// Runs the checks and reloads of one request, which have a time together, and says how one went wrong.
import { messageOf } from '../errors.ts';
import type { Clock } from '../system/clock.ts';
import type { Commands } from '../system/commands.ts';
import { maxProgramsMs } from './request.ts';

export type ProgramsDeps = { readonly clock: Clock; readonly commands: Commands };

export type Program = { readonly argv: readonly string[]; readonly timeoutMs: number };

export type Programs = {
  /**
   * `"nginx" ended with code 1: ...`; undefined: it did not go wrong. `quiet`: nothing of what it printed. Throws the
   * signal's reason.
   */
  failureOf(program: Program, quiet: boolean): Promise<string | undefined>;
};

export function createPrograms({ clock, commands }: ProgramsDeps, signal: AbortSignal): Programs {
  const endMs = clock.monotonicMs() + maxProgramsMs;
  return {
    failureOf: async ({ argv, timeoutMs }, quiet) => {
      const name = `"${argv[0]}"`;
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs < timeoutMs) {
        return `${name} was not run: all programs together had ${maxProgramsMs / 60_000} minutes`;
      }
      try {
        const { code, timedOut, lastLine } = await commands.run({ argv, timeoutMs }, signal);
        if (timedOut) return `${name} had not ended after ${timeoutMs / 1000} s`;
        if (code === 0) return undefined;
        const how = code === undefined ? 'was killed' : `ended with code ${code}`;
        return `${name} ${how}${quiet || lastLine === '' ? '' : `: ${lastLine}`}`;
      } catch (error) {
        signal.throwIfAborted();
        return messageOf(error);
      }
    },
  };
}
