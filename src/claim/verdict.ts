// Has the holder of an ENI failed? Two votes: our own heartbeat, and EC2's word or a second path (claim.md section 6).
import { hasCode } from '../errors.ts';
import type { CallDeps } from './calls.ts';
import type { Instance } from './ec2.ts';
import type { Heartbeat } from './heartbeat.ts';
import { tagKeys } from './tags.ts';

export type Verdict = {
  readonly hasFailed: boolean;
  /** EC2 says that it does not run, or that it is impaired: it may be treated roughly. */
  readonly isConfirmed: boolean;
  /** For the status. */
  readonly why: string;
};

export type Suspect = {
  readonly instanceId: string;
  readonly haGroup: string;
  readonly heartbeat: Heartbeat;
};

/** They do not come back by themselves. */
export const downStates: readonly string[] = ['stopping', 'stopped', 'shutting-down', 'terminated'];

/** To be asked once the heartbeat is lost. Throws what describeInstance throws: without EC2 there is no verdict. */
export async function judge(
  deps: CallDeps,
  { instanceId, haGroup, heartbeat }: Suspect,
  signal: AbortSignal,
): Promise<Verdict> {
  const instance = await deps.ec2.describeInstance(instanceId, signal);
  if (instance === undefined)
    return { hasFailed: false, isConfirmed: false, why: `EC2 does not know ${instanceId}` };
  if (!isOfGroup(instance, haGroup)) {
    const why = `${instanceId} does not carry ${tagKeys.haGroup}=${haGroup}: it is never fenced`;
    return { hasFailed: false, isConfirmed: false, why };
  }
  const { state } = instance;
  const isGone = state === 'stopped' || state === 'terminated';
  if (downStates.includes(state))
    return { hasFailed: true, isConfirmed: isGone, why: `EC2 says ${state}` };
  if (await isImpaired(deps, instanceId, signal))
    return { hasFailed: true, isConfirmed: true, why: `EC2 says ${state}, impaired` };
  return heartbeat.isLostTwice()
    ? { hasFailed: true, isConfirmed: false, why: 'silent on its own address too' }
    : { hasFailed: false, isConfirmed: false, why: `EC2 says ${state}` };
}

export function isOfGroup(instance: Instance, haGroup: string): boolean {
  return instance.tags[tagKeys.haGroup] === haGroup;
}

/** The permission is an extra: without it the state alone votes. */
async function isImpaired(
  deps: CallDeps,
  instanceId: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await deps.ec2.describeHealth(instanceId, signal)) === 'impaired';
  } catch (error) {
    if (!hasCode(error, 'aws-denied')) throw error;
    deps.log.warn(`${error.message}; an impaired ${instanceId} is not noticed by that`);
    return false;
  }
}
