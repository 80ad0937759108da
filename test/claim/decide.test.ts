// The next step, from what EC2 says and the record.
import { describe, expect, test } from 'vitest';
import { inOrderOfPreference } from '../../src/claim/candidates.ts';
import { nextStep, type Step } from '../../src/claim/decide.ts';
import { instanceArn } from '../../src/claim/tags.ts';
import type { Eni, EniAttachment } from '../../src/model/eni.ts';
import { eniOf, poolOf } from '../fixtures/claim-world.ts';
import { identityOf } from '../fixtures/identity.ts';

const identity = identityOf({ vpcId: 'vpc-a' });
const me = instanceArn(identity);
const other = 'arn:aws:ec2:r:1:instance/i-other';

const eni = (eniId: string, change: Partial<Eni> = {}): Eni => eniOf({ eniId, ...change });
const owned = (owner: string): Partial<Eni> => ({
  tags: { 'berth:pool': 'db', 'berth:owner': owner },
});
const attachedTo = (instanceId: string | undefined, change: Partial<EniAttachment> = {}) => ({
  status: 'in-use' as const,
  attachment: {
    attachmentId: 'eni-attach-1',
    instanceId,
    deviceIndex: 1,
    networkCardIndex: 0,
    status: 'attached' as const,
    deleteOnTermination: false,
    attachedAt: undefined,
    ...change,
  },
});
const mine = (change: Partial<EniAttachment> = {}) => attachedTo(identity.instanceId, change);

const decide = (
  enis: readonly Eni[],
  recordedEniId?: string,
  unsuitable: ReadonlySet<string> = new Set(),
): Step =>
  nextStep({
    identity,
    pool: poolOf(),
    enis,
    recordedEniId,
    unsuitable,
    orphaned: new Set(),
  });
const ids = (enis: readonly Eni[]): readonly string[] => enis.map(({ eniId }) => eniId);

describe('adopt', () => {
  test('what is attached to us, whatever its tag says', () => {
    for (const tag of [{}, owned(me), owned(other)]) {
      const step = decide([eni('eni-1'), eni('eni-2', { ...mine(), ...tag })]);
      expect(step).toMatchObject({ do: 'adopt', eni: { eniId: 'eni-2' }, surplus: [], stale: [] });
    }
  });

  test('the recorded one first, else the lowest index; the others are surplus', () => {
    const enis = [
      eni('eni-1', mine({ deviceIndex: 3 })),
      eni('eni-2', mine({ deviceIndex: 2 })),
      eni('eni-3', mine({ deviceIndex: 1 })),
    ];
    const lowest = decide(enis);
    expect(lowest).toMatchObject({ do: 'adopt', eni: { eniId: 'eni-3' } });
    expect(lowest.do === 'adopt' && ids(lowest.surplus)).toEqual(['eni-2', 'eni-1']);
    const recorded = decide(enis, 'eni-1');
    expect(recorded).toMatchObject({ do: 'adopt', eni: { eniId: 'eni-1' } });
    expect(recorded.do === 'adopt' && ids(recorded.surplus)).toEqual(['eni-3', 'eni-2']);
  });

  test('an ENI that the pages name twice is no surplus of itself', () => {
    expect(decide([eni('eni-1', mine()), eni('eni-1', mine())])).toMatchObject({ surplus: [] });
  });

  test('our claims on others go', () => {
    const step = decide([
      eni('eni-1', { ...mine(), ...owned(me) }),
      eni('eni-2', owned(me)),
      eni('eni-3', { ...attachedTo('i-other'), ...owned(me) }),
      eni('eni-4', owned(other)),
    ]);
    expect(step.do).toBe('adopt');
    expect(ids(step.stale)).toEqual(['eni-2', 'eni-3']);
  });

  test('still attaching is ours; on its way off is waited for', () => {
    expect(decide([eni('eni-1', mine({ status: 'attaching' }))]).do).toBe('adopt');
    const leaving = eni('eni-1', mine({ status: 'detaching' }));
    expect(decide([leaving, eni('eni-2')])).toMatchObject({
      do: 'look-again',
      eni: { eniId: 'eni-1' },
    });
  });

  test('never the primary, nor what a service manages, though they carry the tag', () => {
    const enis = [
      eni('eni-1', mine({ deviceIndex: 0 })),
      eni('eni-2', { ...mine(), requesterManaged: true }),
      eni('eni-3', { ...mine(), operatorManaged: true }),
      eni('eni-4', { ...mine(), interfaceType: 'efa-only' }),
    ];
    expect(decide(enis)).toMatchObject({ do: 'wait' });
    const withIndexZeroOfCardOne = eni('eni-5', mine({ deviceIndex: 0, networkCardIndex: 1 }));
    expect(decide([...enis, withIndexZeroOfCardOne])).toMatchObject({
      do: 'adopt',
      eni: { eniId: 'eni-5' },
      surplus: [],
    });
  });
});

describe('resume', () => {
  test('a claim without an attachment, and no other ENI', () => {
    expect(decide([eni('eni-1'), eni('eni-2', owned(me))])).toMatchObject({
      do: 'resume',
      eni: { eniId: 'eni-2' },
      stale: [],
    });
  });

  test('the recorded ENI before its claim shows', () => {
    expect(decide([eni('eni-1'), eni('eni-2')], 'eni-2')).toMatchObject({
      do: 'resume',
      eni: { eniId: 'eni-2' },
    });
  });

  test('one claim goes on, the recorded one; the others go', () => {
    const step = decide([eni('eni-1', owned(me)), eni('eni-2', owned(me))], 'eni-2');
    expect(step).toMatchObject({ do: 'resume', eni: { eniId: 'eni-2' } });
    expect(ids(step.stale)).toEqual(['eni-1']);
  });

  test('not what another claims or holds', () => {
    expect(decide([eni('eni-1', owned(other)), eni('eni-2')], 'eni-1')).toMatchObject({
      do: 'try',
      candidates: [{ eniId: 'eni-2' }],
    });
    expect(decide([eni('eni-1', attachedTo('i-other')), eni('eni-2')], 'eni-1').do).toBe('try');
  });

  test('not what EC2 refused to attach here: that claim goes', () => {
    const step = decide([eni('eni-1', owned(me)), eni('eni-2')], undefined, new Set(['eni-1']));
    expect(step).toMatchObject({ do: 'try', candidates: [{ eniId: 'eni-2' }] });
    expect(ids(step.stale)).toEqual(['eni-1']);
  });
});

describe('try', () => {
  test('all that are free, in our own order', () => {
    const enis = ['eni-1', 'eni-2', 'eni-3'].map((id) => eni(id));
    const step = decide([...enis, eni('eni-4', owned(other))]);
    expect(step.do === 'try' && ids(step.candidates)).toEqual(
      ids(inOrderOfPreference(enis, identity)),
    );
  });

  test('a claim of ours on what another holds is stale, even if EC2 hides the holder', () => {
    for (const holder of ['i-other', undefined]) {
      const step = decide([eni('eni-1', { ...attachedTo(holder), ...owned(me) }), eni('eni-2')]);
      expect(step.do).toBe('try');
      expect(ids(step.stale)).toEqual(['eni-1']);
    }
  });
});

describe('wait', () => {
  test.each<readonly [string, readonly Eni[], ReadonlySet<string>, string]>([
    ['pool missing', [], new Set(), 'no ENI carries the tag berth:pool=db'],
    [
      'other zones',
      [eni('eni-1', { availabilityZone: 'eu-central-1b', availabilityZoneId: 'x' })],
      new Set(),
      'pool db has ENIs in eu-central-1b only',
    ],
    ['full', [eni('eni-1', attachedTo('i-other'))], new Set(), '1 attached to other instances'],
    ['claimed', [eni('eni-1', owned(other))], new Set(), '(eni-1 by i-other)'],
    ['refused', [eni('eni-1')], new Set(['eni-1']), '1 that this instance cannot hold'],
  ])('%s', (_name, enis, unsuitable, why) => {
    expect(decide(enis, undefined, unsuitable)).toMatchObject({
      do: 'wait',
      why: expect.stringContaining(why) as string,
    });
  });
});
