// What the demo and the benchmarks print while they work: a line for anything over a second.
import { setTimeout as sleep } from 'node:timers/promises';

export function say(text: string): void {
  console.log(text);
}

export function heading(text: string): void {
  console.log(`\n== ${text}`);
}

/** Names the wait once it takes longer than a second, and again every five. */
export async function during<T>(what: string, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const startMs = performance.now();
  const tell = (async () => {
    await sleep(1_000, undefined, { signal: done.signal });
    for (;;) {
      console.log(`   ... ${what} (${Math.round((performance.now() - startMs) / 1000)} s)`);
      await sleep(5_000, undefined, { signal: done.signal });
    }
  })().catch(() => undefined);
  try {
    return await work;
  } finally {
    done.abort();
    await tell;
  }
}

/** Polls a condition that has no event. Throws after `timeoutMs`. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const startMs = performance.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() - startMs > timeoutMs) {
      throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
    }
    await sleep(20);
  }
}
