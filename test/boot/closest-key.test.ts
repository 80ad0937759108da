// Which known key a mistyped one was meant to be.
import { describe, expect, test } from 'vitest';
import { closestKey, editDistance } from '../../src/boot/closest-key.ts';

const known = ['pool', 'releaseOnStop', 'agent', 'logs', 'metrics'];

describe('closestKey', () => {
  test.each([
    ['pooll', 'pool'],
    ['POOL', 'pool'],
    ['log', 'logs'],
    ['release_on_stop', 'releaseOnStop'],
    ['metric', 'metrics'],
    ['colour', undefined],
  ])('%s', (key, expected) => {
    expect(closestKey(key, known)).toBe(expected);
  });

  test('a key of any length is soon judged', () => {
    expect(closestKey('x'.repeat(1_000_000), known)).toBeUndefined();
  });

  test('nothing is near where nothing is known', () => {
    expect(closestKey('pool', [])).toBeUndefined();
  });
});

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['flaw', 'lawn', 2],
    ['abc', 'abc', 0],
  ])('%s to %s', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});
