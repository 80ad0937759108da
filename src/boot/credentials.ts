// The instance role's credentials out of IMDS: cached, renewed on use, and kept when no better ones are to be had.
import * as v from 'valibot';
import { BerthError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { RoleCredentials } from '../model/instance.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { garbage, parseJson } from './imds-errors.ts';
import type { Imds } from './imds.ts';

const rolePath = 'meta-data/iam/security-credentials';

/** New ones are there at least 5 min before the old expire; renewal begins 10 to 20 min before. */
const renewAheadMs = 10 * 60_000;
const renewJitterMs = 10 * 60_000;
/** IMDS still hands out the old ones. */
const unchangedMs = 60_000;
/** What the AWS SDK does in an outage (5 to 10 min). */
const failedMs = 5 * 60_000;
/** With old ones at hand, nobody waits long for new ones. */
const patienceMs = 5_000;

const fields = ['AccessKeyId', 'SecretAccessKey', 'Token', 'Expiration'] as const;
const text = v.pipe(v.string(), v.minLength(1));
const schema = v.object({
  AccessKeyId: text,
  SecretAccessKey: text,
  Token: text,
  Expiration: v.pipe(
    v.string(),
    v.transform((time) => Date.parse(time)),
    v.number(),
  ),
});

export type RoleCredentialsDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

/** AWS that refuses whatever IMDS gives is no reason to ask IMDS more often. */
const forcedMs = 60_000;

/**
 * A giver of credentials for AwsAccess; concurrent callers share one renewal. `fresh`: AWS refuses the last ones. `signal` ends a wait for IMDS;
 * later calls still get an answer. Throws `credentials-missing`, `imds-garbage`, and what Imds throws; never once it
 * has had credentials.
 */
export function createRoleCredentials(
  deps: RoleCredentialsDeps,
  imds: Imds,
  signal: AbortSignal,
): (fresh?: boolean) => Promise<RoleCredentials> {
  const { clock, random, log } = deps;
  let kept: RoleCredentials | undefined;
  /** So long before the end of those kept they are renewed. */
  let aheadMs = 0;
  /** Monotonic: the clock may be off, and jump. When those kept end is judged by the clock each time. */
  let holdUntilMs = 0;
  let forceableAtMs = 0;
  let renewal: Promise<RoleCredentials> | undefined;

  const hold = (ms: number): void => {
    holdUntilMs = clock.monotonicMs() + ms * (1 + random.next());
  };

  const accept = (fresh: RoleCredentials): RoleCredentials => {
    aheadMs = renewAheadMs + random.next() * renewJitterMs;
    if (fresh.expiresAtMs <= clock.nowMs()) {
      log.warn(
        'the metadata service hands out expired credentials, or the clock is ahead; using what there is',
      );
      hold(failedMs);
      if (kept === undefined || kept.expiresAtMs < fresh.expiresAtMs) kept = fresh;
      return kept;
    }
    hold(unchangedMs);
    kept = fresh;
    return fresh;
  };

  const renew = async (): Promise<RoleCredentials> => {
    // Who asks after the signal is the stop: it has last calls to make, within deadlines of its own.
    const life = signal.aborted ? new AbortController().signal : signal;
    if (kept === undefined && life === signal) return accept(await readCredentials(imds, life));
    using deadline = clock.deadline(patienceMs, life);
    try {
      return accept(await readCredentials(imds, deadline.signal));
    } catch (error) {
      life.throwIfAborted();
      if (kept === undefined) throw error;
      log.warn(
        { err: error },
        'cannot renew the credentials of the instance role; keeping the old',
      );
      hold(failedMs);
      return kept;
    }
  };

  return async (fresh = false) => {
    const nowMs = clock.monotonicMs();
    if (kept !== undefined) {
      const isEnding = clock.nowMs() >= kept.expiresAtMs - aheadMs;
      const isDue = (isEnding && nowMs >= holdUntilMs) || (fresh && nowMs >= forceableAtMs);
      if (!isDue) return kept;
    }
    forceableAtMs = nowMs + forcedMs;
    renewal ??= renew().finally(() => {
      renewal = undefined;
    });
    return renewal;
  };
}

async function readCredentials(imds: Imds, signal: AbortSignal): Promise<RoleCredentials> {
  // The profile can be replaced while the instance runs: the name is read each time.
  const role = (await imds.readText(`${rolePath}/`, signal))?.split('\n')[0] ?? '';
  if (role === '') {
    throw missing('the instance has no role: attach an instance profile with the policy of berth');
  }
  if (!/^[\w+=,.@-]{1,64}$/.test(role)) throw garbage(rolePath, 'that is no name of a role');
  const path = `${rolePath}/${role}`;
  const body = await imds.readText(path, signal);
  if (body === undefined) throw missing(`IMDS has none for the role ${role} yet`);
  const json = parseJson(path, body);
  const code = (json as { readonly Code?: unknown } | null)?.Code;
  if (code !== 'Success') {
    const said = typeof code === 'string' && /^[A-Za-z]{1,64}$/.test(code) ? code : 'no known code';
    throw missing(
      `IMDS says ${said} for the role ${role}: check that the role exists and trusts ec2.amazonaws.com`,
    );
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) throw garbage(path, `one of ${fields.join(', ')} is missing or unusable`);
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = parsed.output;
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: Token,
    expiresAtMs: Expiration,
  };
}

/** Worth repeating: a profile may be attached at any time, and shows in IMDS with a lag. */
function missing(why: string): BerthError {
  return new BerthError('credentials-missing', `cannot get credentials: ${why}`, {
    retryable: true,
  });
}
