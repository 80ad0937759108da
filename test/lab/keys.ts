// The access keys of the lab: the operator's, those that IMDS gives to instances, and those of roles that were assumed.
import type { Clock } from '../../src/system/clock.ts';
import type { Random } from '../../src/system/random.ts';
import type { RoleCredentials } from '../../src/model/instance.ts';
import type { IdentifiedCaller } from './front-identity.ts';
import type { Caller, RoleSession } from './service.ts';

export type Keys = {
  readonly operator: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** The same until shortly before they expire, as in IMDS. */
  readonly credentialsFor: (instanceId: string) => RoleCredentials;
  readonly assume: (session: RoleSession, ttlMs: number) => RoleCredentials;
  readonly identify: (
    accessKeyId: string,
    sessionToken: string | undefined,
  ) => IdentifiedCaller | undefined;
  readonly dials: { credentialsTtlMs: number };
};

/** AWS has new ones at least 5 min before the old ones expire (imds.md). */
const renewBeforeMs = 300_000;

export function createKeys(
  clock: Pick<Clock, 'nowMs'>,
  random: Random,
  arnOf: (instanceId: string) => string,
): Keys {
  const text = (): string => random.uuid().replaceAll('-', '');
  const operator = {
    accessKeyId: `AKIA${text().slice(0, 16).toUpperCase()}`,
    secretAccessKey: text(),
  };
  const dials = { credentialsTtlMs: 6 * 3_600_000 };
  const current = new Map<string, RoleCredentials>();
  const issued = new Map<string, { readonly keys: RoleCredentials; readonly caller: Caller }>();
  const issue = (caller: Caller, ttlMs: number): RoleCredentials => {
    const keys: RoleCredentials = {
      accessKeyId: `ASIA${text().slice(0, 16).toUpperCase()}`,
      secretAccessKey: text(),
      sessionToken: text() + text(),
      // IMDS and the SDK know whole seconds.
      expiresAtMs: Math.floor((clock.nowMs() + ttlMs) / 1000) * 1000,
    };
    issued.set(keys.accessKeyId, { keys, caller });
    return keys;
  };
  return {
    operator,
    dials,
    credentialsFor: (instanceId) => {
      const known = current.get(instanceId);
      const leftMs = (known?.expiresAtMs ?? 0) - clock.nowMs();
      // None lives longer: a clock that a test set back left it in the future.
      const isGood = leftMs > renewBeforeMs && leftMs <= dials.credentialsTtlMs;
      if (known !== undefined && isGood) return known;
      const caller = { instanceId, instanceArn: arnOf(instanceId) };
      const fresh = issue(caller, dials.credentialsTtlMs);
      current.set(instanceId, fresh);
      return fresh;
    },
    assume: (session, ttlMs) =>
      issue({ instanceId: undefined, instanceArn: undefined, session }, ttlMs),
    identify: (accessKeyId, sessionToken) => {
      if (accessKeyId === operator.accessKeyId && sessionToken === undefined) {
        const { secretAccessKey } = operator;
        return { instanceId: undefined, instanceArn: undefined, secretAccessKey };
      }
      const found = issued.get(accessKeyId);
      if (found === undefined || found.keys.sessionToken !== sessionToken) return undefined;
      const { secretAccessKey, expiresAtMs } = found.keys;
      return { ...found.caller, secretAccessKey, expiresAtMs };
    },
  };
}
