// Fills in what a pin by tag leaves open: the value of the instance's own tag.
import { BerthError } from '../errors.ts';
import type { PoolConfig } from '../model/config.ts';
import type { Imds } from './imds.ts';

/** Throws `config-invalid` where the instance has no such tag, and what IMDS throws. */
export function fillPinTags(
  imds: Imds,
  pools: readonly PoolConfig[],
  signal: AbortSignal,
): Promise<readonly PoolConfig[]> {
  return Promise.all(
    pools.map(async (pool) => {
      const { pin } = pool;
      if (pin?.by !== 'tag' || pin.value !== undefined) return pool;
      const path = `meta-data/tags/instance/${encodeURIComponent(pin.key)}`;
      const value = await imds.readText(path, signal);
      if (value === undefined) {
        throw new BerthError(
          'config-invalid',
          `cannot use the pin of pool ${pool.name}: this instance has no tag ${pin.key} in its metadata; set it and allow tags in instance metadata, or write the value into the configuration`,
        );
      }
      return { ...pool, pin: { ...pin, value } };
    }),
  );
}
