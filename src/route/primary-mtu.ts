// The MTU for the claimed device: the one that the instance's primary device has.
import type { Devices } from '../system/devices.ts';

/** What a VPC carries. */
const jumboMtu = 9001;
/** The look that found the claimed device has seen the primary too. */
const maxAgeMs = 1_000;

/** `otherwise`, or else the jumbo MTU, where the kernel does not say. Never throws. */
export async function primaryMtu(
  deps: { readonly devices: Pick<Devices, 'find'> },
  {
    primaryMac,
    otherwise,
  }: { readonly primaryMac: string; readonly otherwise: number | undefined },
  signal: AbortSignal,
): Promise<number> {
  const primary = await deps.devices.find(primaryMac, signal, maxAgeMs).catch(() => undefined);
  return primary?.mtu ?? otherwise ?? jumboMtu;
}
