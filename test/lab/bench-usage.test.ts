// What the kernel says that a process has cost.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { parseCpuSeconds, parsePeakRss, usageOf } from './bench-usage.ts';

test('CPU time is that of the process and of the children it waited for, whatever its name', () => {
  const stat = `42 (a) b (c)) S 1 42 42 0 -1 4194304 9 8 7 6 150 25 300 7 20 0 11 0 5 1 2 3`;
  expect(parseCpuSeconds(stat)).toBeCloseTo(4.82);
});

test('peak RSS is the high-water mark; a process that has ended has none', () => {
  expect(parsePeakRss('Name:\tnode\nVmHWM:\t   73100 kB\nVmRSS:\t   60000 kB\n')).toBe(74_854_400);
  expect(parsePeakRss('Name:\tnode\nState:\tZ (zombie)\n')).toBe(0);
});

test('a child counts: while it runs, and its time when it has ended', async () => {
  // The child takes 64 MB and some time, then ends; a third process keeps the shell waiting.
  const work = `const bytes = Buffer.alloc(64e6, 1); const until = process.cpuUsage().user + 2e5;
    while (process.cpuUsage().user < until); console.log('done'); process.stdin.once('data', () => process.exit())`;
  const script = '"$1" -e "$2"; echo ended; read -r line; true';
  const shell = spawn('sh', ['-c', script, 'sh', process.execPath, work], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(shell, 'close');
  try {
    await once(shell.stdout, 'data');
    const running = await usageOf(shell.pid!);
    expect(running.peakRssBytes).toBeGreaterThan(64e6);
    expect(running.cpuSeconds).toBeGreaterThan(0.2);
    shell.stdin.write('\n');
    await once(shell.stdout, 'data');
    const after = await usageOf(shell.pid!);
    expect(after.peakRssBytes).toBeLessThan(20e6);
    expect(after.cpuSeconds).toBeGreaterThan(0.2);
  } finally {
    shell.kill('SIGKILL');
    shell.stdin.destroy();
    await ended;
  }
});
