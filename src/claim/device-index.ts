// The device index for one more ENI of this instance. Pure.
import type { Self } from './ec2.ts';

/** The lowest of card 0 (claim.md section 2); never the primary's. */
export function freeDeviceIndex(
  self: Self | undefined,
  refused: ReadonlySet<number> = new Set(),
): number {
  const taken = new Set(refused);
  for (const nic of self?.attachments ?? []) {
    if (nic.networkCardIndex === 0) taken.add(nic.deviceIndex);
  }
  let index = 1;
  while (taken.has(index)) index++;
  return index;
}
