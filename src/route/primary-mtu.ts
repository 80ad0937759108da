// The MTU for the claimed device: the one that the instance's primary device has.
import type { Devices } from '../system/devices.ts';

/** What a VPC carries. */
const jumboMtu = 9001;

/** The jumbo MTU where the kernel does not say. Never throws. */
export async function primaryMtu(
  deps: { readonly devices: Pick<Devices, 'find'> },
  primaryMac: string,
  signal: AbortSignal,
): Promise<number> {
  const primary = await deps.devices.find(primaryMac, signal).catch(() => undefined);
  return primary?.mtu ?? jumboMtu;
}
