// Preloaded into a daemon (node --import): from the moment it is ready, waits end TIME_FACTOR times sooner, and its clock
// runs as much faster. The time of day and deadlines stay real, since what answers within them is.
import { systemClock } from '../../src/system/clock.ts';

const factor = Number(process.env['TIME_FACTOR']);
const real = { ...systemClock };
const write = process.stdout.write.bind(process.stdout);

let isFast = false;
process.stdout.write = (text: string, ...more: []) => {
  if (!isFast && text.includes('"phase":"ready"')) {
    isFast = true;
    const readyMs = real.monotonicMs();
    systemClock.monotonicMs = () => readyMs + (real.monotonicMs() - readyMs) * factor;
    systemClock.sleep = (ms, signal) => real.sleep(ms / factor, signal);
  }
  return write(text, ...more);
};
