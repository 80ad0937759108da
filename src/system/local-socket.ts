// Unix stream sockets that carry one line of text a message.
import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, rename, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { BerthError, messageOf } from '../errors.ts';
import { isErrno } from './files.ts';

export type LineServer = AsyncDisposable & {
  /** To everybody who is connected. */
  broadcast(line: string): void;
};

export type ServeInput = {
  readonly path: string;
  readonly mode: number;
  /** The first line for somebody who connects; undefined: none. */
  readonly greeting: (() => string) | undefined;
  /** The answer to a line of somebody who is connected; undefined: nobody is heard. Must not reject. */
  readonly answer: ((line: string) => Promise<string>) | undefined;
};

export type LocalSockets = {
  /** Replaces a dead socket of an earlier process. Throws `already-running`, `disk`. */
  serve(input: ServeInput): Promise<LineServer>;
  /**
   * Hands over each line until the other side ends, `onLine` returns true, or the signal aborts.
   * Throws `daemon-absent` where nobody listens, `not-permitted` where we may not connect.
   */
  follow(path: string, onLine: (line: string) => boolean, signal: AbortSignal): Promise<void>;
  /** Sends a line first; then the same. */
  talk(
    path: string,
    line: string,
    onLine: (line: string) => boolean,
    signal: AbortSignal,
  ): Promise<void>;
  /** Sends a line and returns the answer; undefined: the other side ended without one. Throws like `follow`. */
  ask(path: string, line: string, signal: AbortSignal): Promise<string | undefined>;
};

/** Who lets so much pile up does not read, and is cut off. */
const maxUnreadBytes = 65_536;

export const systemLocalSockets: LocalSockets = {
  serve: async ({ path, mode, greeting, answer }) => {
    const clients = new Set<Socket>();
    const server = createServer((socket) => {
      clients.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => clients.delete(socket));
      if (greeting !== undefined) socket.write(`${greeting()}\n`);
      if (answer === undefined) socket.resume();
      else listen(socket, answer);
    });
    const aside = `${path}.${randomUUID().slice(0, 8)}`;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(aside, resolve);
      });
      await chmod(aside, mode);
      await putInPlace(aside, path);
    } catch (error) {
      server.close();
      await rm(aside, { force: true }).catch(() => undefined);
      if (error instanceof BerthError) throw error;
      throw new BerthError('disk', `cannot listen on ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    return {
      broadcast: (line) => {
        for (const socket of clients) {
          if (socket.writableLength > maxUnreadBytes) socket.destroy();
          else socket.write(`${line}\n`);
        }
      },
      [Symbol.asyncDispose]: async () => {
        // Not `end`, which would wait for the other side.
        for (const socket of clients) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
        await rm(path, { force: true });
      },
    };
  },

  follow: (path, onLine, signal) => talk(path, undefined, onLine, signal),

  talk,

  ask: async (path, line, signal) => {
    let answer: string | undefined;
    const onLine = (heard: string): boolean => {
      answer = heard;
      return true;
    };
    await talk(path, line, onLine, signal);
    return answer;
  },
};

function listen(socket: Socket, answer: (line: string) => Promise<string>): void {
  createInterface({ input: socket })
    // The socket's own handler reports it.
    .on('error', () => undefined)
    .on('line', (line) => {
      void answer(line).then((text) => {
        if (!socket.destroyed) socket.write(`${text}\n`);
      });
    });
}

function talk(
  path: string,
  first: string | undefined,
  onLine: (line: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect(path);
    if (first !== undefined) socket.write(`${first}\n`);
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', (error) => reject(connectError(path, error)));
    socket.on('close', () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    createInterface({ input: socket })
      // The socket's own handler reports it.
      .on('error', () => undefined)
      .on('line', (line) => {
        if (onLine(line)) socket.destroy();
      });
  });
}

/** A link fails where there is one already: of two that start at once, one is refused. Throws `already-running`. */
async function putInPlace(aside: string, path: string): Promise<void> {
  for (;;) {
    try {
      await link(aside, path);
      await rm(aside);
      return;
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    if (await isAlive(path)) throw alreadyRunning(path);
    await removeDead(path, `${aside}.dead`);
  }
}

/** Moved first, since another process may have put a live one in its place since we looked. Safe between two. */
async function removeDead(path: string, moved: string): Promise<void> {
  try {
    await rename(path, moved);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  const wasAlive = await isAlive(moved);
  if (wasAlive) await link(moved, path);
  await rm(moved);
  if (wasAlive) throw alreadyRunning(path);
}

/** What does not refuse is alive, even where we may not connect. */
async function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => resolve(!isErrno(error, 'ECONNREFUSED', 'ENOENT')));
  });
}

function alreadyRunning(path: string): BerthError {
  return new BerthError(
    'already-running',
    `cannot start: another berth listens on ${path}; stop it first, or give this one --runtime-dir and --state-dir of its own`,
  );
}

function connectError(path: string, error: unknown): BerthError {
  return isErrno(error, 'EACCES', 'EPERM')
    ? new BerthError(
        'not-permitted',
        `cannot read ${path}: be root or a member of the group berth`,
        { cause: error },
      )
    : new BerthError(
        'daemon-absent',
        `cannot reach berth at ${path}: is it running? (systemctl status berth)`,
        { cause: error, retryable: true },
      );
}
