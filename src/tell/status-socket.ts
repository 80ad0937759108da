// The daemon's status for other processes: a unix socket that says the current status, then each change, a line of
// JSON each. A socket and not a file, so that a dead daemon cannot look ready.
import { join } from 'node:path';
import { BerthError, hasCode } from '../errors.ts';
import type { Status, StatusPool } from '../model/status.ts';
import type { Clock } from '../system/clock.ts';
import type { LocalSockets } from '../system/local-socket.ts';
import type { StatusBoard } from './status-board.ts';

/** For root and the group of the daemon's user. */
const socketMode = 0o660;
const reconnectMs = 100;

export function statusSocketPath(runtimeDir: string): string {
  return join(runtimeDir, 'status.sock');
}

/** Throws `already-running`, `disk`. */
export async function serveStatus(
  sockets: LocalSockets,
  runtimeDir: string,
  board: StatusBoard,
): Promise<AsyncDisposable> {
  const server = await sockets.serve({
    path: statusSocketPath(runtimeDir),
    mode: socketMode,
    greeting: () => JSON.stringify(board.current()),
    answer: undefined,
  });
  board.onChange((status) => server.broadcast(JSON.stringify(status)));
  return server;
}

/** Throws `daemon-absent`, `not-permitted`. */
export async function readStatus(
  sockets: LocalSockets,
  runtimeDir: string,
  signal: AbortSignal,
): Promise<Status> {
  let status: Status | undefined;
  await sockets.follow(
    statusSocketPath(runtimeDir),
    (line) => {
      status = JSON.parse(line) as Status;
      return true;
    },
    signal,
  );
  if (status === undefined)
    throw new BerthError('daemon-absent', 'cannot read the status: berth is just stopping');
  return status;
}

/**
 * Resolves when the claimed address is served; also waits for a daemon that is not there yet. Throws `pool-empty` when a
 * pool was given up, or its ENI released.
 */
export async function waitUntilReady(
  deps: { readonly sockets: LocalSockets; readonly clock: Clock },
  runtimeDir: string,
  signal: AbortSignal,
  onStatus: (status: Status | undefined) => void,
): Promise<Status> {
  let ready: Status | undefined;
  let lost: StatusPool | undefined;
  for (;;) {
    try {
      await deps.sockets.follow(
        statusSocketPath(runtimeDir),
        (line) => {
          const status = JSON.parse(line) as Status;
          onStatus(status);
          if (status.ready) ready = status;
          lost = status.pools.find(({ phase }) => phase === 'gave-up' || phase === 'released');
          return status.ready || lost !== undefined;
        },
        signal,
      );
    } catch (error) {
      if (!hasCode(error, 'daemon-absent')) throw error;
      onStatus(undefined);
    }
    if (ready !== undefined) return ready;
    if (lost !== undefined) throw new BerthError('pool-empty', lost.message);
    await deps.clock.sleep(reconnectMs, signal);
  }
}
