// `npm run demo:chaos`: the demo under ten fixed seeds of the chaos proxy, each in namespaces of its own, some side by
// side. Prints what was injected and how it ended; `npm run demo:chaos -- 3 7` runs those alone and shows all.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { say } from './progress.ts';

const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/** A run takes 15 to 60 s. */
const killAfterMs = 240_000;
const file = (name: string): string => join(import.meta.dirname, name);

/** A run waits more than it works. */
const sideBySide = 3;

const chosen = process.argv.slice(2);
const waiting = chosen.length === 0 ? seeds : chosen.map(Number);
let passed = 0;
let failed = 0;

async function runSeeds(): Promise<void> {
  for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
    const startMs = performance.now();
    const { isOk, lines } = await runDemo(seed);
    const took = `${Math.round((performance.now() - startMs) / 1000)} s`;
    if (isOk) passed++;
    else failed++;
    const isWhole = !isOk || chosen.length > 0;
    const told = lines.filter((line) => /^(chaos|demo|failed):/.test(line));
    const block = [...(isWhole ? lines : told), `seed ${seed}: ${isOk ? 'ok' : 'FAILED'}, ${took}`];
    say(`${block.join('\n')}\n`);
  }
}

await Promise.all(Array.from({ length: sideBySide }, runSeeds));
say(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;

async function runDemo(
  seed: number,
): Promise<{ readonly isOk: boolean; readonly lines: readonly string[] }> {
  const child = spawn(
    process.execPath,
    [file('enter.ts'), process.execPath, file('demo.ts'), '--chaos', `seed=${seed}`],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const timer = setTimeout(() => child.kill('SIGTERM'), killAfterMs);
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const output = await text(child.stdout);
  const [code] = await ended;
  clearTimeout(timer);
  const lines = output.trimEnd().split('\n');
  return { isOk: code === 0 && lines.at(-1)?.startsWith('demo: ready in ') === true, lines };
}
