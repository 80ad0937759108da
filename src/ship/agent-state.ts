// The CloudWatch agent's own state, taken over for a file that berth follows for the first time: no gap, no replay (logs.md
// section 3).
// Its format (internal/state of the agent): the largest offset, the path, and the ranges that were sent, a line each.
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Files } from '../system/files.ts';
import type { LogFile, LogFiles, LogFileStat } from '../system/log-files.ts';
import { markerBytes, type Position } from './tail.ts';

export type AgentState = {
  /** Where the agent was in the file that is open; undefined: it says nothing of this path that fits the file. */
  positionOf(path: string, file: LogFile, stat: LogFileStat): Promise<Position | undefined>;
};

/** Where the agent keeps it. */
export const agentStateFolder = '/opt/aws/amazon-cloudwatch-agent/logs/state';
const newline = 0x0a;
/** The kernel's clock for files. */
const tickMs = 10;

type Deps = {
  readonly files: Files;
  readonly logFiles: Pick<LogFiles, 'stat'>;
  readonly log: Log;
};

export function createAgentState({ files, logFiles, log }: Deps, folder: string): AgentState {
  return {
    positionOf: async (path, file, stat) => {
      const name = path.replaceAll(/[/ :]/g, '_');
      try {
        const text = await files.readText(join(folder, name));
        const state = await logFiles.stat(join(folder, name));
        if (text === undefined || state === undefined) return undefined;
        // It says nothing of a file that came after it was written: a log that was rotated since.
        if (bornMs(stat) > state.mtimeMs + tickMs) return undefined;
        const offset = offsetOf(text, path);
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

/** 0 where the file system does not say. */
function bornMs({ birthNs = '0' }: LogFileStat): number {
  return Number(BigInt(birthNs) / 1_000_000n);
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
