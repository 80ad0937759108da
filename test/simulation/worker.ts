// A thread that runs seeds as they are handed to it.
import { parentPort } from 'node:worker_threads';
import { runSeed, type Choice, type SeedReport } from './run-seed.ts';

type Order = { readonly choice: Choice; readonly first: number; readonly count: number };

parentPort!.on('message', (order: Order | undefined) => {
  if (order === undefined) parentPort!.close();
  else void run(order);
});

async function run({ choice, first, count }: Order): Promise<void> {
  const reports: SeedReport[] = [];
  for (let seed = first; seed < first + count; seed++) reports.push(await runSeed(choice, seed));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort!.postMessage(reports);
}
