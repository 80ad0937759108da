// May this instance hold what it shall claim? Asked only where the smallest instance type could not.
import { BerthError, hasCode } from '../errors.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { repeat, type CallDeps } from './calls.ts';
import type { Limits } from './ec2.ts';

/** Every type holds this much (DescribeInstanceTypes: t2.nano and t3.nano hold no more). */
const least: Limits = { enis: 2, ipv4PerEni: 2 };

/**
 * Before an ENI is claimed, of each of `pools`. Throws `eni-limit`. Two calls, spared on the plain instance, which shows
 * one MAC and wants one ENI.
 */
export async function checkEniLimit(
  deps: CallDeps,
  { identity, pools }: { readonly identity: Identity; readonly pools: number },
  signal: AbortSignal,
): Promise<void> {
  if (identity.macCount + pools <= least.enis) return;
  const { instanceId, instanceType } = identity;
  const [instance, limits] = await Promise.all([
    ask(deps, () => deps.ec2.describeInstance(instanceId, signal), signal),
    ask(deps, () => deps.ec2.describeLimits(instanceType, signal), signal),
  ]);
  if (limits === undefined) return;
  const held = instance?.attachments.filter((nic) => nic.networkCardIndex === 0).length ?? 1;
  if (held < limits.enis) return;
  throw new BerthError(
    'eni-limit',
    `cannot claim one more ENI: ${instanceType} holds ${limits.enis}, all of them attached; use a larger instance type or detach one`,
    { details: { instanceType, held, limit: limits.enis } },
  );
}

const count = ({ ipv4, ipv4Prefixes }: Eni): number => ipv4.length + ipv4Prefixes.length;

/** Ids of ENIs with more addresses than the type can hold; it is asked at most once, and only for such an ENI. */
export function createFit(
  deps: CallDeps,
  { instanceType }: Identity,
): (enis: readonly Eni[], signal: AbortSignal) => Promise<readonly string[]> {
  let limits: Limits | undefined;
  return async (enis, signal) => {
    const large = enis.filter((eni) => count(eni) > least.ipv4PerEni);
    if (large.length === 0) return [];
    limits ??= await ask(deps, () => deps.ec2.describeLimits(instanceType, signal), signal);
    const ipv4PerEni = limits?.ipv4PerEni ?? Infinity;
    return large.filter((eni) => count(eni) > ipv4PerEni).map(({ eniId }) => eniId);
  };
}

/** undefined: the role may not ask. EC2 then says it at the attach. */
async function ask<T>(
  deps: CallDeps,
  call: () => Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await repeat(deps, call, signal);
  } catch (error) {
    if (!hasCode(error, 'aws-denied')) throw error;
    deps.log.warn(`${error.message}; going on without it`);
    return undefined;
  }
}
