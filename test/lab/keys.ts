// The access keys of the lab: the operator's, and those that IMDS gives to instances.
import type { Clock } from '../../src/system/clock.ts';
import type { Random } from '../../src/system/random.ts';
import type { RoleCredentials } from '../../src/model.ts';
import type { IdentifiedCaller } from './front-identity.ts';

export type Keys = {
  readonly operator: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** The same until shortly before they expire, as in IMDS. */
  readonly credentialsFor: (instanceId: string) => RoleCredentials;
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
  const issued = new Map<string, RoleCredentials & { readonly instanceId: string }>();
  return {
    operator,
    dials,
    credentialsFor: (instanceId) => {
      const known = current.get(instanceId);
      if (known !== undefined && known.expiresAtMs - clock.nowMs() > renewBeforeMs) return known;
      const fresh: RoleCredentials = {
        accessKeyId: `ASIA${text().slice(0, 16).toUpperCase()}`,
        secretAccessKey: text(),
        sessionToken: text() + text(),
        // IMDS and the SDK know whole seconds.
        expiresAtMs: Math.floor((clock.nowMs() + dials.credentialsTtlMs) / 1000) * 1000,
      };
      current.set(instanceId, fresh);
      issued.set(fresh.accessKeyId, { ...fresh, instanceId });
      return fresh;
    },
    identify: (accessKeyId, sessionToken) => {
      if (accessKeyId === operator.accessKeyId && sessionToken === undefined) {
        const { secretAccessKey } = operator;
        return { instanceId: undefined, instanceArn: undefined, secretAccessKey };
      }
      const found = issued.get(accessKeyId);
      if (found === undefined || found.sessionToken !== sessionToken) return undefined;
      const { instanceId, secretAccessKey, expiresAtMs } = found;
      return { instanceId, instanceArn: arnOf(instanceId), secretAccessKey, expiresAtMs };
    },
  };
}
