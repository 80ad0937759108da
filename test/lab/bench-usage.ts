// What a process and its children have cost so far, as the kernel counts it.
import { readFile } from 'node:fs/promises';

export type Usage = {
  /** User and system time of the process, of its children, and of those that ended and were waited for. */
  readonly cpuSeconds: number;
  /** Of the largest process so far. */
  readonly peakRssBytes: number;
};

/** USER_HZ: 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;

export async function usageOf(pid: number): Promise<Usage> {
  const [stat, status, children] = await Promise.all([
    readProc(`${pid}/stat`),
    readProc(`${pid}/status`),
    childrenOf(pid),
  ]);
  const usages = await Promise.all(children.map(usageOf));
  return {
    cpuSeconds: sum([parseCpuSeconds(stat), ...usages.map((usage) => usage.cpuSeconds)]),
    peakRssBytes: Math.max(parsePeakRss(status), ...usages.map((usage) => usage.peakRssBytes)),
  };
}

/**
 * The kernel forgets the size of a process with the process, so those of a script are looked at while they run.
 * An interpreter is at its peak near its end, and a look costs less than a millisecond.
 */
export async function watchPeakRss(pid: number, over: AbortSignal): Promise<number> {
  let peak = 0;
  while (!over.aborted) {
    peak = Math.max(peak, (await usageOf(pid)).peakRssBytes);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return peak;
}
const everyMs = 25;

/** /proc/PID/stat: fields 14 to 17; the name in field 2 may hold anything. */
export function parseCpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return sum(fields.slice(11, 15).map(Number)) / ticksPerSecond;
}

/** /proc/PID/status; a process that has ended has none. */
export function parsePeakRss(status: string): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Now. */
export async function rssOf(pid: number): Promise<number> {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(await readProc(`${pid}/status`))?.[1] ?? 0) * 1024;
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readProc(`${pid}/task/${pid}/children`);
  return text.split(' ').filter(Boolean).map(Number);
}

/** Empty where the process is gone. */
function readProc(path: string): Promise<string> {
  return readFile(`/proc/${path}`, 'utf8').catch(() => '');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
