// What of a new configuration berth can take while it runs. Pure.
import { isDeepStrictEqual } from 'node:util';
import type { Config, PoolConfig } from '../model/config.ts';

export type LiveConfig = {
  /** What to run with: the new one, but for what needs a restart. */
  readonly config: Config;
  /** Keys of the configuration. */
  readonly restartNeeded: readonly string[];
};

/** By key; all others are taken at once. An address that is served is none of a reload's business. */
const fixed = { standby: 'standby', routing: 'routing', signals: 'signals' } as const;

export function liveConfig(running: Config, next: Config): LiveConfig {
  const changed = (Object.keys(fixed) as (keyof typeof fixed)[]).filter(
    (key) => !isDeepStrictEqual(running[key], next[key]),
  );
  const samePools = isDeepStrictEqual(running.pools.map(bare), next.pools.map(bare));
  const { standby, routing, signals } = running;
  const pools = samePools ? next.pools : running.pools;
  return {
    config: { ...next, pools, standby, routing, signals },
    restartNeeded: [...(samePools ? [] : ['pool']), ...changed.map((key) => fixed[key])],
  };
}

/** Which ENI is claimed; not for how long it is waited for. */
function bare({ name, pin }: PoolConfig): Omit<PoolConfig, 'waitMs'> {
  return { name, pin };
}
