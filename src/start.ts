// The start of the daemon: who am I, what was I told; and the first look at the pool while the configuration is on its way.
import {
  configure,
  identify,
  type BootDeps,
  type Booted,
  type BootInput,
  type Identified,
} from './boot/boot.ts';
import { imdsDefaults } from './boot/imds.ts';
import { isWarm } from './boot/target-state.ts';
import { createAwsEc2 } from './claim/aws-ec2.ts';
import type { Ec2 } from './claim/ec2.ts';
import { lookAhead } from './claim/first-look.ts';
import { createClaimRecords } from './claim/record.ts';
import { tagKeys } from './claim/tags.ts';

export type Started = { readonly booted: Booted; readonly ec2: Ec2 & Disposable };

/** `mayLookAhead`: not again and again, where the configuration cannot be had. Throws what identify and configure throw. */
export async function start(
  deps: BootDeps,
  input: BootInput & { readonly mayLookAhead: boolean },
  signal: AbortSignal,
): Promise<Started> {
  const { patienceMs } = imdsDefaults;
  const identified = await identify(deps, { ...input, patienceMs }, signal);
  using undo = new DisposableStack();
  const aws = undo.use(createAwsEc2(deps, identified.access));
  const ec2 = input.mayLookAhead
    ? lookAhead(
        { ...deps, ec2: aws },
        likelyPool(deps, { ...identified, ...input }, signal),
        signal,
      )
    : aws;
  const booted = await configure(deps, input, identified, signal);
  const owned = undo.move();
  // Nobody would ask for what was seen.
  const asked = booted.config.pools.length === 0 ? aws : ec2;
  return { booted, ec2: { ...asked, [Symbol.dispose]: () => owned.dispose() } };
}

/**
 * The tag names it, as a rule also where a parameter has the configuration; else the last boot's claim does. None in a warm
 * pool, where nothing is claimed.
 */
async function likelyPool(
  deps: BootDeps,
  { identity, imds, stateDir }: Identified & Pick<BootInput, 'stateDir'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const named = identity.tags?.[tagKeys.pool] || undefined;
  const pool = named ?? (await lastPool(deps, stateDir, identity.instanceId));
  return pool === undefined || (await isWarm({ ...deps, imds }, signal)) ? undefined : pool;
}

/** undefined: there was none, or several. */
async function lastPool(
  deps: BootDeps,
  stateDir: string,
  instanceId: string,
): Promise<string | undefined> {
  const claims = await createClaimRecords(deps, { stateDir, instanceId }).all();
  const [pool, ...others] = Object.keys(claims);
  return others.length === 0 ? pool : undefined;
}
