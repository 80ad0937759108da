// The claim tag: an epoch that only rises, and the memory of whom an ENI served last.
import { describe, expect, test } from 'vitest';
import { epochOf, lastHolder, nextClaim } from '../../src/claim/tags.ts';
import { eniOf } from '../fixtures/claim-world.ts';
import { identityOf } from '../fixtures/identity.ts';

const group = (name: string) => ({ 'aws:autoscaling:groupName': name });
const me = identityOf({ instanceId: 'i-1', tags: group('web '.repeat(60)) });
const withClaim = (claim: string | undefined) =>
  eniOf({ tags: claim === undefined ? {} : { 'berth:claim': claim } });

describe('the claim', () => {
  test.each([
    [undefined, 0],
    ['', 0],
    ['x:y', 0],
    ['-3:y', 0],
    ['41:uuid:i-9', 41],
    ['99999999999999999999:y', 0],
  ])('%s has the epoch %i', (claim, epoch) => {
    expect(epochOf(withClaim(claim))).toBe(epoch);
  });

  test('rises by one, names the instance and its group, and fits a tag', () => {
    const claim = nextClaim(withClaim('41:uuid:i-9'), me, '0f9a3c1e-2b7d-4e55-9c1f-3a5b7d9e1f20');
    expect(claim).toMatch(/^42:0f9a3c1e-2b7d-4e55-9c1f-3a5b7d9e1f20:i-1:[0-9a-f]{8}$/);
    expect(claim.length).toBeLessThanOrEqual(256);
    expect(nextClaim(withClaim(undefined), identityOf({ instanceId: 'i-2' }), 'u')).toBe('1:u:i-2');
  });

  test('tells who held it last', () => {
    const claim = nextClaim(withClaim(undefined), me, 'u');
    const held = withClaim(claim);
    expect(lastHolder(held, me)).toBe('me');
    expect(lastHolder(held, { ...me, instanceId: 'i-2' })).toBe('my-group');
    expect(lastHolder(held, identityOf({ instanceId: 'i-2', tags: group('db') }))).toBe('another');
    expect(lastHolder(held, identityOf({ instanceId: 'i-2', tags: undefined }))).toBe('another');
    expect(lastHolder(withClaim('7:old'), identityOf({ instanceId: 'i-2' }))).toBe('another');
  });
});
