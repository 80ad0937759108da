// Main is left alone: what it held before our changes it holds after them (routing.md section 4, check 4). That it
// holds nothing of our device is the diff's business.
import { isDeepStrictEqual } from 'node:util';
import { families } from './batch.ts';
import { mainTable, type KernelState } from './kernel-state.ts';
import { routeLine } from './lines.ts';

/**
 * Problems, in words. Only around our own batches, milliseconds apart: at any other time main is others' to change
 * (DHCP, docker). When one of them does so just then, the next attempt finds nothing wrong.
 */
export function lostFromMain(
  before: KernelState,
  after: KernelState,
  ifname: string,
): readonly string[] {
  return families.flatMap((family) =>
    before[family].routes
      .filter((route) => route.table === mainTable && route.dev !== ifname)
      .filter((route) => !after[family].routes.some((other) => isDeepStrictEqual(other, route)))
      .map((route) => `main has lost "${routeLine('replace', route)}"`),
  );
}
