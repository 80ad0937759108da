// Cases of standby.json (H1 to H8 are those of iam.md section 7, H9 to H12 those of its section 8) and of takeover.json
// (T1 to T5: its section 6).
import { asMe, bothKeys, me, other, ownerKey, pool, theirs, type Row } from './iam-cases.ts';

const detach = 'DetachNetworkInterface';
const stop = 'StopInstances';
const create = 'CreateTags';
const group = { 'berth:ha-group': 'db-a' };
const ofPeer = { ...group, 'berth:owner': 'arn:aws:ec2:eu-west-1:111122223333:instance/i-peer' };
const asThird = { 'berth:owner': 'arn:aws:ec2:eu-west-1:111122223333:instance/i-third' };

export const standbyRows: readonly Row[] = [
  { name: 'H1 detach an ENI of the group', action: detach, has: group, allow: 'HaDetachFromPeer' },
  {
    name: 'H2 detach from a peer',
    action: detach,
    on: 'i-peer',
    has: group,
    allow: 'HaDetachFromPeer',
  },
  { name: 'H3 detach from an instance of no group', action: detach, on: 'i-x' },
  {
    name: 'H4 stop a peer',
    action: stop,
    on: 'i-peer',
    has: group,
    allow: 'HaFencePeerNeverMyself',
  },
  { name: 'H5 stop myself', action: stop, on: 'i-me', has: group },
  {
    name: 'H6 stop a peer without a source instance',
    action: stop,
    on: 'i-peer',
    has: group,
    noSource: true,
  },
  {
    name: 'H7 take over from a peer',
    action: create,
    has: ofPeer,
    request: asMe,
    allow: 'HaTakeOverClaim',
  },
  { name: 'H8 take over for a third', action: create, has: ofPeer, request: asThird },
  { name: 'H9 detach without a source instance', action: detach, has: group, noSource: true },
  { name: 'H10 stop an instance of no group', action: stop, on: 'i-other' },
  {
    name: 'H11 take over an ENI of no group',
    action: create,
    has: { 'berth:owner': other },
    request: asMe,
  },
  {
    name: 'H12 take over and smuggle another key',
    action: create,
    has: ofPeer,
    request: asMe,
    keys: [...ownerKey, 'Name'],
  },
  {
    name: 'H13 take over with both keys, as berth does',
    action: create,
    has: ofPeer,
    request: asMe,
    keys: bothKeys,
    allow: 'HaTakeOverClaim',
  },
  {
    name: 'H14 stop an instance of another group',
    action: stop,
    on: 'i-x',
    has: { 'berth:ha-group': 'db-b' },
  },
  { name: 'H15 attach an ENI of the group', action: 'AttachNetworkInterface', has: group },
  { name: 'H16 terminate a peer', action: 'TerminateInstances', on: 'i-peer', has: group },
  {
    name: 'H17 tag a peer as if it were an ENI',
    action: create,
    on: 'i-peer',
    has: group,
    request: asMe,
  },
  { name: 'H18 stop what is no instance', action: stop, on: '*', has: group },
  { name: 'H19 detach a volume of the group', action: detach, on: volume(), has: group },
  {
    name: 'H20 ask for the health of a peer',
    action: 'DescribeInstanceStatus',
    on: '*',
    allow: 'HaReadPeerHealth',
  },
];

const stale = theirs;

export const takeoverRows: readonly Row[] = [
  {
    name: 'T1 take over a stale claim',
    action: create,
    has: stale,
    request: asMe,
    allow: 'TakeOverClaim',
  },
  { name: 'T2 take over for a third', action: create, has: stale, request: asThird },
  {
    name: 'T3 take over outside the pool',
    action: create,
    has: { 'berth:owner': other },
    request: asMe,
  },
  { name: 'T4 detach it from the other instance', action: detach, on: 'i-other' },
  {
    name: 'T5 take over and smuggle another key',
    action: create,
    has: stale,
    request: asMe,
    keys: [...ownerKey, 'Name'],
  },
  {
    name: 'T6 take over with both keys, as berth does',
    action: create,
    has: stale,
    request: asMe,
    keys: bothKeys,
    allow: 'TakeOverClaim',
  },
  {
    name: 'T7 take over what is reserved for no instance',
    action: create,
    has: { ...pool, 'berth:owner': 'kept by the operator' },
    request: asMe,
  },
  {
    name: 'T8 take over without a source instance',
    action: create,
    has: stale,
    request: asMe,
    noSource: true,
  },
  {
    name: 'T9 take over an instance that bears its tags',
    action: create,
    on: 'i-other',
    has: stale,
    request: asMe,
  },
  { name: 'T10 detach its ENI from where it is', action: detach, has: stale },
  {
    name: 'T11 delete its claim',
    action: 'DeleteTags',
    has: stale,
    request: { 'berth:owner': me },
  },
];

function volume(): string {
  return 'arn:aws:ec2:eu-west-1:111122223333:volume/vol-1';
}
