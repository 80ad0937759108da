// One life of berth's process on a host. It may be killed at any call of a port: before it, or after it took effect.
import type { Host } from './host.ts';
import type { KillAt } from './plan.ts';
import type { Sleeper } from './time.ts';

export type Process = Sleeper & {
  readonly host: Host;
  /** 1, 2, ... on this host. */
  readonly life: number;
  isDead: boolean;
  /** A stop that lets it end by itself. */
  readonly stopping: AbortController;
  /** Gives its ENI back at the end. */
  isReleasing: boolean;
  /** So many calls of ports it has made. */
  calls: number;
  readonly killAt: KillAt | undefined;
  readonly kill: (why: string) => void;
};

/** What a dead process waits for. A new one each time: a shared one would keep all who wait for it. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** A call of a port. Nothing comes back to a dead process, as after SIGKILL: not even an error. */
export async function gate<T>(process: Process, work: () => T | Promise<T>): Promise<T> {
  if (process.isDead) return never();
  const { killAt } = process;
  const { isCalm } = process.host.world;
  const isLast = !isCalm && ++process.calls === killAt?.call;
  if (isLast && !killAt.isAfter) {
    process.kill('killed before a call');
    return never();
  }
  const result = await work();
  if (process.isDead) return never();
  if (isLast) {
    process.kill('killed after a call');
    return never();
  }
  return result;
}
