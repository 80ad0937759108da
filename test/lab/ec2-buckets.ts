// Which token bucket an EC2 call draws from (claim.md section 4); the account and Region share them.
import type { Ec2Input } from './ec2-input.ts';
import type { Bucket } from './token-buckets.ts';

export const ec2Buckets = {
  lifecycle: { most: 50, perSecond: 5 },
  tags: { most: 100, perSecond: 10 },
  attributes: { most: 100, perSecond: 5 },
  filtered: { most: 100, perSecond: 20 },
  unfiltered: { most: 50, perSecond: 10 },
} as const satisfies Readonly<Record<string, Bucket>>;

export type Ec2BucketName = keyof typeof ec2Buckets;

/** The table of claim.md has no row for the start, the end and the making of things: they share that of Attach. */
export function bucketOf(action: string, input: Ec2Input): Ec2BucketName {
  if (action === 'CreateTags' || action === 'DeleteTags') return 'tags';
  if (/^(Modify|Assign|Unassign|Associate|Disassociate)/.test(action)) return 'attributes';
  if (!action.startsWith('Describe')) return 'lifecycle';
  const isNarrowed =
    input.nestedList('Filter').length > 0 ||
    input.text('MaxResults') !== undefined ||
    hasIds(input);
  return isNarrowed ? 'filtered' : 'unfiltered';
}

const idLists = ['NetworkInterfaceId', 'InstanceId', 'SubnetId', 'InstanceType', 'AllocationId'];

/** A call by id costs what a filtered one does (not confirmed on AWS). */
function hasIds(input: Ec2Input): boolean {
  return idLists.some((name) => input.texts(name).length > 0);
}
