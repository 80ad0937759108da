// The tags that coordinate a pool (iam.md section 2).
import { createHash } from 'node:crypto';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import { tagPrefix } from '../system/aws.ts';

export const tagKeys = {
  /** Pool name; written by the operator only. */
  pool: `${tagPrefix}pool`,
  /** ARN of the instance that claims the ENI. */
  owner: `${tagPrefix}owner`,
  /**
   * `<epoch>:<uuid>:<instance id>[:<Auto Scaling group, hashed>]`. The epoch rises with every claim; all of it stays when
   * the claim is given back, so that the ENI can go back to whom it served last.
   */
  claim: `${tagPrefix}claim`,
  /** Name of a failover group, on instances and ENIs; written by the operator only. */
  haGroup: `${tagPrefix}ha-group`,
} as const;

/** The owner's name in the owner tag: exactly what IAM knows as `ec2:SourceInstanceARN`. */
export function instanceArn(identity: Identity): string {
  const { partition, region, accountId, instanceId } = identity;
  return `arn:${partition}:ec2:${region}:${accountId}:instance/${instanceId}`;
}

export function ownerOf(eni: Eni): string | undefined {
  return eni.tags[tagKeys.owner];
}

/** Of the last claim; 0: it was never claimed. */
export function epochOf(eni: Eni): number {
  const epoch = Number.parseInt(eni.tags[tagKeys.claim]?.split(':')[0] ?? '0', 10);
  return Number.isSafeInteger(epoch) && epoch >= 0 ? epoch : 0;
}

/** The value for a new claim of `eni`: one epoch above the last one seen. */
export function nextClaim(eni: Eni, identity: Identity, uuid: string): string {
  const group = groupMark(identity);
  const parts = [
    epochOf(eni) + 1,
    uuid,
    identity.instanceId,
    ...(group === undefined ? [] : [group]),
  ];
  return parts.join(':');
}

/** Names one claim on one ENI: another one as soon as anybody has claimed it since. */
export function claimIn(eni: Eni): string {
  return `${eni.eniId} ${ownerOf(eni)} ${eni.tags[tagKeys.claim]}`;
}

/** Did this instance, or else its Auto Scaling group, claim `eni` last? */
export function lastHolder(eni: Eni, identity: Identity): 'me' | 'my-group' | 'another' {
  const [, , instanceId, group] = eni.tags[tagKeys.claim]?.split(':') ?? [];
  if (instanceId === identity.instanceId) return 'me';
  return group !== undefined && group === groupMark(identity) ? 'my-group' : 'another';
}

/** `eni` as EC2 will show it once our claim is written. */
export function withClaim(eni: Eni, owner: string, claim: string): Eni {
  return { ...eni, tags: { ...eni.tags, [tagKeys.owner]: owner, [tagKeys.claim]: claim } };
}

/** A group's name may be longer than a tag's value, and hold what that may not. */
function groupMark({ tags }: Identity): string | undefined {
  const group = tags?.['aws:autoscaling:groupName'];
  return group === undefined
    ? undefined
    : createHash('sha256').update(group).digest('hex').slice(0, 8);
}
