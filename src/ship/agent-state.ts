// The CloudWatch agent's own state, taken over for a file that berth follows for the first time: no gap, no replay (logs.md
// section 3).
// Its format (internal/state of the agent): the largest offset, the path, and the ranges that were sent, a line each.
import { isAbsolute, join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Files } from '../system/files.ts';
import type { LogFile, LogFiles, LogFileStat } from '../system/log-files.ts';
import { findGenerations, type Generation } from './generations.ts';
import { markerBytes, type Position } from './tail.ts';

export type AgentState = {
  /**
   * Where the agent was in the file that is open. `origin`: the name that it had for it. undefined: it says nothing of that
   * name that fits the file.
   */
  positionOf(origin: string, file: LogFile, stat: LogFileStat): Promise<Position | undefined>;
  /** The files of which it says something. */
  paths(): Promise<readonly string[]>;
  /** The file that the agent had under this name, where it was rotated since and another one has the name now. */
  rotatedOf(path: string): Promise<Generation | undefined>;
};

/** Where the agent keeps it. */
export const agentStateFolder = '/opt/aws/amazon-cloudwatch-agent/logs/state';
const newline = 0x0a;
/** The kernel's clock for files. */
const tickMs = 10;

type Deps = {
  readonly files: Files;
  readonly logFiles: Pick<LogFiles, 'stat' | 'list'>;
  readonly log: Log;
};

export function createAgentState({ files, logFiles, log }: Deps, folder: string): AgentState {
  const read = async (path: string): Promise<{ text: string; mtimeMs: number } | undefined> => {
    const name = join(folder, path.replaceAll(/[/ :]/g, '_'));
    const text = await files.readText(name);
    const state = await logFiles.stat(name);
    return text === undefined || state === undefined ? undefined : { text, mtimeMs: state.mtimeMs };
  };

  return {
    paths: async () => {
      const names = await logFiles.list(folder);
      const texts = await Promise.all(
        names.map((name) => files.readText(join(folder, name)).catch(() => undefined)),
      );
      return texts.flatMap((text) => text?.split('\n')[1] ?? []).filter(isAbsolute);
    },

    rotatedOf: async (path) => {
      const state = await read(path).catch(() => undefined);
      const now = await logFiles.stat(path).catch(() => undefined);
      if (state === undefined || now === undefined || wasThere(now, state)) return undefined;
      const generations = await findGenerations(logFiles, path);
      return generations?.findLast(
        ({ stat }) => stat.birthNs !== undefined && wasThere(stat, state),
      );
    },

    positionOf: async (path, file, stat) => {
      try {
        const state = await read(path);
        if (state === undefined) return undefined;
        // It says nothing of a file that came after it was written: a log that was rotated since.
        if (!wasThere(stat, state)) return undefined;
        const offset = offsetOf(state.text, path);
        // It knows a file by its path alone: what does not look like the place behind a line is another file.
        if (offset === undefined || offset > stat.size) return undefined;
        const from = Math.max(0, offset - markerBytes);
        const marker = await file.read(from, offset - from);
        if (offset > 0 && !endsLine(marker)) return undefined;
        return { generation: 0, offset, marker };
      } catch (error) {
        log.warn(
          { path, error: messageOf(error) },
          "cannot read the CloudWatch agent's state: the file is sent from its beginning",
        );
        return undefined;
      }
    },
  };
}

/** When the state was written; true where the file system does not say. */
function wasThere(
  { birthNs = '0' }: LogFileStat,
  { mtimeMs }: { readonly mtimeMs: number },
): boolean {
  return Number(BigInt(birthNs) / 1_000_000n) <= mtimeMs + tickMs;
}

/** The second byte of a newline in UTF-16, little-endian, is 0. */
function endsLine(marker: Buffer): boolean {
  return marker.at(-1) === newline || (marker.at(-1) === 0 && marker.at(-2) === newline);
}

/** Everything in front of it was sent. Where ranges were sent out of turn, what lies behind the first is sent again. */
function offsetOf(text: string, path: string): number | undefined {
  const [largest, name, ranges] = text.split('\n');
  if (name !== path || largest === undefined || !/^\d+$/.test(largest)) return undefined;
  if (ranges === undefined || ranges === '') return Number(largest);
  const first = /^(\d+)-(\d+)(?:,|$)/.exec(ranges);
  if (first === null) return undefined;
  return Number(first[1]) === 0 ? Number(first[2]) : 0;
}
