// Targets as names of files, and which files of two entries are the same.
import { expect, test } from 'vitest';
import { familyOf } from '../../src/ship/follow.ts';
import { fileNameOf, targetOfFileName } from '../../src/ship/log-target.ts';
import { entrySource } from '../fixtures/log-source.ts';

test('there and back', () => {
  const target = { group: '/app/web', stream: 'a b@c.log' };
  expect(targetOfFileName(fileNameOf('emf', target)!)).toEqual(target);
});

test.each([
  ['too long for a file', 'x'.repeat(300)],
  ['half of a character', 'x\ud800'],
])('a name that cannot be one: %s', (_, stream) => {
  expect(fileNameOf('emf', { group: '/app', stream })).toBeUndefined();
});

test('spools that name their targets stay what they are where the common target changes', () => {
  const [one, other] = ['/a', '/b'].map((logGroupName) => ({
    ...entrySource({
      filePath: '/var/lib/berth/i-0/spool/emf@*.log',
      logGroupName,
      logStreamName: 's',
    }),
    files: 'spool' as const,
  }));
  expect(familyOf(one!)).toBe(familyOf(other!));
});
