// The real clock, on which waiting is faster: for tests with real files and sockets, whose own time cannot be faked.
import { systemClock, type Clock } from '../../src/system/clock.ts';

/** Waits end `factor` times sooner, and measured time runs as much faster. The time of day and deadlines stay real. */
export function createHastyClock(factor: number): Clock {
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() * factor,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  };
}
