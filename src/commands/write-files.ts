// `berth write-files`: one request of the daemon from standard input, `taken` and one answer to standard output. systemd starts it
// for each connection to berth-files.socket; see docs/files.md for what it trusts.
import { BerthError, exitCodes } from '../errors.ts';
import { policyFile } from '../files/policy.ts';
import { maxRequestBytes, requestSchema, taken, type WriteAnswer } from '../files/request.ts';
import { writeFiles } from '../files/write-files.ts';
import { systemClock } from '../system/clock.ts';
import { systemCommands } from '../system/commands.ts';
import { systemFiles } from '../system/files.ts';
import { endThoughHanging } from '../system/mount-wait.ts';
import { systemTrustedFolders } from '../system/trusted-folders.ts';
import * as v from 'valibot';
import type { Run } from './command.ts';
import { parseFlags, text } from './flags.ts';

export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, { policy: { type: 'string' } });
  const answer = await answerTo(await firstLine(), text(parsed, 'policy') ?? policyFile, signal);
  await say(JSON.stringify(answer));
  endThoughHanging();
  return exitCodes.stopped;
};

async function answerTo(
  line: string,
  policyPath: string,
  signal: AbortSignal,
): Promise<WriteAnswer> {
  const request = v.safeParse(requestSchema, valueOf(line));
  if (!request.success) {
    // The value may be a secret.
    const where = v.getDotPath(request.issues[0]) ?? 'all of it';
    return { results: [], refused: `cannot read the request: ${where} is not as it has to be` };
  }
  await say(taken);
  const deps = {
    clock: systemClock,
    folders: systemTrustedFolders,
    commands: systemCommands,
    files: systemFiles,
  };
  return writeFiles(deps, { request: request.output, policyPath }, signal);
}

/** Throws where nobody listens any more: whoever asked takes it that nothing was done. */
function say(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

function valueOf(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

/** The other side keeps the connection open for the answer. Throws `usage`. */
async function firstLine(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (chunk.includes(10)) break;
    if (bytes > maxRequestBytes) throw new BerthError('usage', 'cannot read so long a request');
  }
  return Buffer.concat(chunks).toString().split('\n', 1)[0]!;
}
