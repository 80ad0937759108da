// The part of a configuration that says what is claimed and how, with every default filled in. Pure.
import type { Config, HooksConfig, Pin, PoolConfig, StandbyConfig } from '../model/config.ts';
import type { RawConfig } from './config-schema.ts';

export function claimConfig(
  raw: RawConfig,
): Omit<
  Config,
  'logs' | 'metrics' | 'emf' | 'monitoring' | 'notices' | 'signals' | 'reload' | 'files'
> {
  const { pool, releaseOnStop, takeOverStale } = raw;
  const pools = pool === undefined ? (raw.pools ?? []).map(poolOf) : [onePool(pool)];
  const { mode, localBridges, connmark } = raw.routing;
  return {
    pools,
    releaseOnStop,
    takeOverStale,
    standby: standbyOf(raw),
    hooks: hooksOf(raw),
    routing: { mode, localBridges, connmark },
  };
}

/** As the key `pool` and the instance tag name it. */
export function onePool(name: string): PoolConfig {
  return { name, pin: undefined, waitMs: undefined };
}

type RawPool = NonNullable<RawConfig['pools']>[number];

function poolOf({ name, pin, waitSeconds }: RawPool): PoolConfig {
  return {
    name,
    pin: pin === undefined ? undefined : pinOf(pin),
    waitMs: waitSeconds === undefined ? undefined : waitSeconds * 1000,
  };
}

/** The schema lets exactly one of them through. */
function pinOf({ eniId, ip, mac, tag, value }: NonNullable<RawPool['pin']>): Pin {
  if (eniId !== undefined) return { by: 'eni', eniId };
  if (ip !== undefined) return { by: 'ip', ipv4: ip };
  if (mac !== undefined) return { by: 'mac', mac };
  return { by: 'tag', key: tag!, value };
}

function standbyOf({ role, standby }: RawConfig): StandbyConfig | undefined {
  if (role === 'primary' || standby === undefined) return undefined;
  const { probe, fence, delaySeconds } = standby;
  return {
    fence,
    delayMs: delaySeconds * 1000,
    probe: {
      port: probe.port,
      httpPath: probe.httpPath,
      intervalMs: probe.intervalSeconds * 1000,
      timeoutMs: probe.timeoutSeconds * 1000,
      failures: probe.failures,
    },
  };
}

function hooksOf({ hooks }: RawConfig): HooksConfig {
  const { onClaimed, onReady, onLost, onReleased, onNotice, environment, timeoutSeconds } = hooks;
  const timeoutMs = timeoutSeconds * 1000;
  return { onClaimed, onReady, onLost, onReleased, onNotice, environment, timeoutMs };
}
