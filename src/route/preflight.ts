// Could this process set routes at all? Asked before an ENI is claimed that could then not be served.
import { BerthError } from '../errors.ts';
import type { Files } from '../system/files.ts';

/** Bit of CAP_NET_ADMIN in `CapEff` (linux/capability.h). */
const capNetAdmin = 1n << 12n;

/** Throws `not-permitted`; changes nothing. */
export async function checkRouting(deps: { readonly files: Files }): Promise<void> {
  const status = await deps.files.readText('/proc/self/status');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? '')?.[1];
  if (effective !== undefined && (BigInt(`0x${effective}`) & capNetAdmin) === 0n) {
    throw new BerthError(
      'not-permitted',
      'cannot set routes: this process lacks CAP_NET_ADMIN; start it by its systemd unit, or as root',
      { retryable: false },
    );
  }
}
