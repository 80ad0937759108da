// Which ENIs may be taken, in which order, and the sentence when there is none.
import { describe, expect, test } from 'vitest';
import {
  explainNone,
  inOrderOfPreference,
  refusalOf,
  type Wish,
} from '../../src/claim/candidates.ts';
import { nextClaim } from '../../src/claim/tags.ts';
import { claimIn } from '../../src/claim/tags.ts';
import type { Pin } from '../../src/model/config.ts';
import type { Eni } from '../../src/model/eni.ts';
import type { Identity } from '../../src/model/instance.ts';
import { eniOf, poolOf } from '../fixtures/claim-world.ts';
import { identityOf } from '../fixtures/identity.ts';

const identity = identityOf({ vpcId: 'vpc-a' });
const claimedBy = (instanceId: string): Partial<Eni> => ({
  tags: { 'berth:pool': 'db', 'berth:owner': `arn:aws:ec2:r:1:instance/${instanceId}` },
});

const wishOf = (change: Partial<Wish> = {}): Wish => ({
  identity,
  pool: poolOf(),
  unsuitable: new Set(),
  orphaned: new Set(),
  ...change,
});

const orderOf = (instanceId: string, from: readonly Eni[]): readonly string[] =>
  inOrderOfPreference(from, identityOf({ instanceId })).map(({ eniId }) => eniId);
const there = (availabilityZone: string, availabilityZoneId: string): Eni =>
  eniOf({ availabilityZone, availabilityZoneId });

describe('refusalOf', () => {
  test('an available ENI of the same zone and VPC may be taken, whatever its subnet', () => {
    expect(refusalOf(eniOf({ subnetId: 'subnet-other' }), wishOf())).toBeUndefined();
  });

  test.each<readonly [string, Partial<Eni>]>([
    ['other-zone', { availabilityZoneId: 'euc1-az3' }],
    ['other-vpc', { vpcId: 'vpc-b' }],
    ['wrong-type', { interfaceType: 'efa' }],
    ['managed-by-a-service', { requesterManaged: true }],
    ['managed-by-a-service', { operatorManaged: true }],
    ['outpost', { outpostArn: 'arn:aws:outposts:r:1:outpost/op-1' }],
    ['no-ipv4', { ipv4: [] }],
    ['attached', { status: 'in-use' }],
    ['attached', { status: 'detaching' }],
    ['attached', { status: 'associated' }],
    ['claimed', claimedBy('i-other')],
  ])('%s: %j', (refusal, change) => {
    expect(refusalOf(eniOf(change), wishOf())).toBe(refusal);
  });

  test('a claim that is stale may be replaced, and none that was written since', () => {
    const tags = { 'berth:owner': 'i-dead', 'berth:claim': '7:x:i-dead' };
    const orphaned = new Set([claimIn(eniOf({ tags }))]);
    expect(refusalOf(eniOf({ tags }), { ...wishOf(), orphaned })).toBeUndefined();
    const since = { 'berth:owner': 'i-living', 'berth:claim': '8:y:i-living' };
    expect(refusalOf(eniOf({ tags: since }), { ...wishOf(), orphaned })).toBe('claimed');
  });

  test('the id of the zone decides, since names differ between accounts', () => {
    const renamed = eniOf({ availabilityZone: 'eu-central-1c' });
    expect(refusalOf(renamed, wishOf())).toBeUndefined();
    const unnamed = identityOf({ vpcId: 'vpc-a', availabilityZoneId: undefined });
    expect(refusalOf(renamed, wishOf({ identity: unnamed }))).toBe('other-zone');
    expect(
      refusalOf(eniOf({ availabilityZoneId: undefined }), wishOf({ identity: unnamed })),
    ).toBeUndefined();
  });
});

describe('a pin', () => {
  const pinned = eniOf({
    eniId: 'eni-7',
    mac: '02:00:00:00:00:07',
    ipv4: ['10.0.0.20', '10.0.0.22'],
    tags: { 'berth:pool': 'db', ordinal: '3' },
  });
  const other = eniOf({ eniId: 'eni-8', mac: '02:00:00:00:00:08', ipv4: ['10.0.0.9'] });

  test.each<readonly [Pin, string]>([
    [{ by: 'eni', eniId: 'eni-7' }, 'eni-7'],
    [{ by: 'ip', ipv4: '10.0.0.22' }, 'the address 10.0.0.22'],
    [{ by: 'mac', mac: '02:00:00:00:00:07' }, 'the MAC 02:00:00:00:00:07'],
    [{ by: 'tag', key: 'ordinal', value: '3' }, 'the tag ordinal=3'],
  ])('%j lets that one through, and no other', (pin, text) => {
    const wish = wishOf({ pool: poolOf({ pin }) });
    expect(refusalOf(pinned, wish)).toBeUndefined();
    expect(refusalOf(other, wish)).toBe('not-pinned');
    expect(explainNone([other], wish)).toBe(
      `no ENI of pool db has ${text}, which the configuration asks for: of 1, none matches`,
    );
    expect(explainNone([other, { ...pinned, status: 'in-use' }], wish)).toBe(
      `no free ENI with ${text} in pool db: of 1, 1 attached to other instances`,
    );
  });

  test('by a tag of unknown value fits nothing', () => {
    const pin: Pin = { by: 'tag', key: 'missing', value: undefined };
    expect(refusalOf(pinned, wishOf({ pool: poolOf({ pin }) }))).toBe('not-pinned');
  });
});

const held = (eniId: string, by: Identity): Eni =>
  eniOf({ eniId, tags: { 'berth:claim': nextClaim(eniOf(), by, 'u') } });

describe('inOrderOfPreference', () => {
  test('mine first, then what my group held, then the others', () => {
    const group = { 'aws:autoscaling:groupName': 'web' };
    const own = identityOf({ instanceId: 'i-1', tags: group });
    const enis = [
      eniOf({ eniId: 'eni-1' }),
      held('eni-2', identityOf({ instanceId: 'i-2', tags: group })),
      held('eni-3', own),
      held('eni-4', identityOf({ instanceId: 'i-4' })),
    ];
    const order = inOrderOfPreference(enis, own).map(({ eniId }) => eniId);
    expect(order.slice(0, 2)).toEqual(['eni-3', 'eni-2']);
    expect(order.slice(2).toSorted()).toEqual(['eni-1', 'eni-4']);
  });

  const enis = Array.from({ length: 8 }, (_, n) => eniOf({ eniId: `eni-${n}` }));

  test('is the same for the same instance, in whatever order EC2 lists them', () => {
    expect(orderOf('i-1', enis.toReversed())).toEqual(orderOf('i-1', enis));
    expect(orderOf('i-1', enis).toSorted()).toEqual(enis.map(({ eniId }) => eniId));
  });

  test('an ENI that goes changes nothing about the others', () => {
    const rest = orderOf('i-1', enis).filter((id) => id !== 'eni-3');
    const without = enis.filter(({ eniId }) => eniId !== 'eni-3');
    expect(orderOf('i-1', without)).toEqual(rest);
  });

  test('spreads: 800 instances want each of 8 ENIs first, about 100 times', () => {
    const wanted = new Map<string, number>();
    for (let n = 0; n < 800; n++) {
      const first = orderOf(`i-${n}`, enis)[0]!;
      wanted.set(first, (wanted.get(first) ?? 0) + 1);
    }
    expect(wanted.size).toBe(8);
    expect(Math.min(...wanted.values())).toBeGreaterThan(65);
    expect(Math.max(...wanted.values())).toBeLessThan(140);
  });
});

describe('explainNone', () => {
  test('no ENI at all: the tag, the pool and the Region', () => {
    expect(explainNone([], wishOf())).toBe(
      "no ENI carries the tag berth:pool=db: create one, or check the pool's name and the Region eu-central-1",
    );
  });

  test('only in other zones: which ones, and where we are', () => {
    const enis = [
      there('eu-central-1c', 'euc1-az1'),
      there('eu-central-1b', 'euc1-az3'),
      there('eu-central-1c', 'euc1-az1'),
    ];
    expect(explainNone(enis, wishOf())).toBe(
      'pool db has ENIs in eu-central-1b, eu-central-1c only, and this instance is in eu-central-1a: an ENI cannot leave its zone',
    );
  });

  test('otherwise: how many are out of reach, and why', () => {
    const enis = [
      eniOf({ status: 'in-use' }),
      eniOf({ status: 'in-use' }),
      eniOf({ eniId: 'eni-7', ...claimedBy('i-other') }),
      eniOf({ availabilityZoneId: 'euc1-az3' }),
      eniOf({ vpcId: 'vpc-b' }),
      eniOf({ interfaceType: 'efa' }),
      eniOf({ eniId: 'eni-9' }),
    ];
    expect(explainNone(enis, wishOf({ unsuitable: new Set(['eni-9']) }))).toBe(
      'no free ENI in pool db: of 7, 2 attached to other instances, 1 claimed but not attached (eni-7 by i-other), 1 in other Availability Zones (eu-central-1a), 1 in other VPCs, 1 that this instance cannot hold (see the log), 1 of a kind that cannot be attached here',
    );
  });

  test('names three claims at most', () => {
    const enis = [1, 2, 3, 4].map((n) => eniOf({ eniId: `eni-${n}`, ...claimedBy(`i-${n}`) }));
    expect(explainNone(enis, wishOf())).toContain(
      '4 claimed but not attached (eni-1 by i-1, eni-2 by i-2, eni-3 by i-3, ...)',
    );
  });
});
