// The device index for one more ENI of this instance. Pure.
import type { Instance } from './ec2.ts';

/**
 * Of card 0 (claim.md section 2), never the primary's: `first` where that is free, else the lowest one.
 * `instance`: what EC2 says is attached; undefined as long as it was not asked, since EC2 refuses an index that is taken.
 */
export function freeDeviceIndex(
  instance: Instance | undefined,
  first: number,
  refused: ReadonlySet<number> = new Set(),
): number {
  const taken = new Set(refused);
  for (const nic of instance?.attachments ?? []) {
    if (nic.networkCardIndex === 0) taken.add(nic.deviceIndex);
  }
  if (!taken.has(first)) return first;
  let index = 1;
  while (taken.has(index)) index++;
  return index;
}
