// The tags that coordinate a pool (iam.md section 2).
import type { Eni, Identity } from '../model.ts';
import { tagPrefix } from '../system/aws.ts';

export const tagKeys = {
  /** Pool name; written by the operator only. */
  pool: `${tagPrefix}pool`,
  /** ARN of the instance that claims the ENI. */
  owner: `${tagPrefix}owner`,
  /** `<epoch>:<uuid>`; the epoch rises with every claim and stays when the claim is given back. */
  claim: `${tagPrefix}claim`,
} as const;

/** The owner's name in the owner tag: exactly what IAM knows as `ec2:SourceInstanceARN`. */
export function instanceArn(identity: Identity): string {
  const { partition, region, accountId, instanceId } = identity;
  return `arn:${partition}:ec2:${region}:${accountId}:instance/${instanceId}`;
}

export function ownerOf(eni: Eni): string | undefined {
  return eni.tags[tagKeys.owner];
}

/** The value for a new claim of `eni`: one epoch above the last one seen. */
export function nextClaim(eni: Eni, uuid: string): string {
  const epoch = Number.parseInt(eni.tags[tagKeys.claim]?.split(':')[0] ?? '0', 10);
  return `${(Number.isSafeInteger(epoch) && epoch >= 0 ? epoch : 0) + 1}:${uuid}`;
}
