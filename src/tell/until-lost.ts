// Tells a lost claim from a daemon that is only away: for applications that must not run without their address.
import { hasCode } from '../errors.ts';
import type { Phase, Status, StatusPool } from '../model/status.ts';
import type { Clock } from '../system/clock.ts';
import type { LocalMacs } from '../system/local-macs.ts';
import type { LocalSockets } from '../system/local-socket.ts';
import { statusSocketPath } from './status-socket.ts';

/** All others are a start of berth, or a repair: the kernel serves the address meanwhile. */
const lostPhases: readonly Phase[] = ['lost', 'gave-up', 'released', 'standby', 'waiting-for-eni'];
const lookEveryMs = 500;

/**
 * Resolves with the reason when an ENI of `served` is held here no more. While the daemon is away (a restart, a crash, an
 * upgrade) the kernel is asked instead: the ENI is held as long as its device is there. Throws `not-permitted`.
 */
export async function waitUntilLost(
  deps: {
    readonly sockets: LocalSockets;
    readonly clock: Clock;
    readonly localMacs: LocalMacs;
  },
  { runtimeDir, served }: { readonly runtimeDir: string; readonly served: Status },
  signal: AbortSignal,
): Promise<string> {
  const held = served.pools;
  for (;;) {
    let why: string | undefined;
    try {
      await deps.sockets.follow(
        statusSocketPath(runtimeDir),
        (line) => {
          why = lossIn(JSON.parse(line) as Status, held);
          return why !== undefined;
        },
        signal,
      );
    } catch (error) {
      if (!hasCode(error, 'daemon-absent')) throw error;
    }
    why ??= missingIn(deps.localMacs(), held);
    if (why !== undefined) return why;
    await deps.clock.sleep(lookEveryMs, signal);
  }
}

function lossIn(now: Status, held: readonly StatusPool[]): string | undefined {
  for (const { pool, eni } of held) {
    const found = now.pools.find((other) => other.pool === pool);
    if (found === undefined) {
      // A daemon that starts has no pools yet.
      if (now.ready) return `pool ${pool} is not configured any more`;
      continue;
    }
    if (lostPhases.includes(found.phase)) return found.message;
    if (found.eni !== undefined && found.eni.eniId !== eni?.eniId) {
      return `${found.eni.eniId} is here in place of ${eni?.eniId}`;
    }
  }
  return undefined;
}

function missingIn(macs: readonly string[], held: readonly StatusPool[]): string | undefined {
  const gone = held.find(({ eni }) => eni !== undefined && !macs.includes(eni.mac));
  return gone === undefined
    ? undefined
    : `${gone.eni!.eniId} is gone from this instance, and berth is not running`;
}
