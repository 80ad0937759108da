// What systemd hears: READY=1 when the process is up (not when the address is served: boot.md section 3.4),
// STATUS, RELOADING, WATCHDOG and STOPPING.
import type { Clock } from '../system/clock.ts';
import type { Notify } from '../system/notify.ts';

/** Parameter Store has ten seconds, files a minute, what is shipped ten seconds to end and to begin; and all to go back to the old. */
export const reloadWithinMs = 200_000;

export type Systemd = {
  processUp(): void;
  /** Until `processUp`. TimeoutStartSec= would be its time too. */
  reloading(): void;
  status(message: string): void;
  stopping(): void;
  /** Pets the watchdog until the signal aborts; returns at once where there is none. */
  watchdog(signal: AbortSignal): Promise<void>;
};

export function createSystemd(deps: { readonly notify: Notify; readonly clock: Clock }): Systemd {
  const { notify, clock } = deps;
  return {
    processUp: () => notify.send(['READY=1']),
    reloading: () =>
      notify.send([
        'RELOADING=1',
        `MONOTONIC_USEC=${notify.monotonicUsec()}`,
        `EXTEND_TIMEOUT_USEC=${reloadWithinMs * 1_000}`,
      ]),
    status: (message) => notify.send([`STATUS=${message.replaceAll('\n', ' ')}`]),
    stopping: () => notify.send(['STOPPING=1']),
    watchdog: async (signal) => {
      const everyMs = notify.watchdogMs;
      if (everyMs === undefined) return;
      while (!signal.aborted) {
        notify.send(['WATCHDOG=1']);
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    },
  };
}
