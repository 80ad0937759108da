// Unix stream sockets that carry one line of text a message.
import { chmod, mkdir, rm } from 'node:fs/promises';
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
  /** The first line for somebody who connects. */
  readonly greeting: () => string;
};

export type LocalSockets = {
  /** Replaces a dead socket of an earlier process. Throws `already-running`, `disk`. */
  serve(input: ServeInput): Promise<LineServer>;
  /**
   * Hands over each line until the other side ends, `onLine` returns true, or the signal aborts.
   * Throws `daemon-absent` where nobody listens, `not-permitted` where we may not connect.
   */
  follow(path: string, onLine: (line: string) => boolean, signal: AbortSignal): Promise<void>;
};

export const systemLocalSockets: LocalSockets = {
  serve: async ({ path, mode, greeting }) => {
    if (await isAlive(path)) {
      throw new BerthError(
        'already-running',
        `cannot start: another berth listens on ${path}; stop it first, or give this one --runtime-dir and --state-dir of its own`,
      );
    }
    const clients = new Set<Socket>();
    const server = createServer((socket) => {
      clients.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => clients.delete(socket));
      socket.resume();
      socket.write(`${greeting()}\n`);
    });
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 });
      await rm(path, { force: true });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
      await chmod(path, mode);
    } catch (error) {
      server.close();
      throw new BerthError('disk', `cannot listen on ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    return {
      broadcast: (line) => {
        for (const socket of clients) socket.write(`${line}\n`);
      },
      [Symbol.asyncDispose]: async () => {
        for (const socket of clients) socket.end();
        await new Promise((resolve) => server.close(resolve));
        await rm(path, { force: true });
      },
    };
  },

  follow: (path, onLine, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const socket = connect(path);
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
    }),
};

async function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
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
