// The difference of two texts: nothing too much, nothing forgotten.
import { describe, expect, test } from 'vitest';
import { diffLines } from '../../src/files/line-diff.ts';

const shown = (before: string, after: string): readonly string[] =>
  diffLines(before.split(' '), after.split(' ')).map(({ sign, text }) => sign + text);

const many = (word: string): readonly string[] =>
  Array.from({ length: 3_000 }, (_, i) => `${word}${i % 7}`);

describe('diffLines', () => {
  test.each([
    ['a b c', 'a b c', []],
    ['a b c', 'a x c', [' a', '-b', '+x', ' c']],
    ['a b', 'a b c', [' a', ' b', '+c']],
    ['x a', 'a', ['-x', ' a']],
    ['1 2 3 a 4 5 6', '1 2 3 b 4 5 6', ['@...', ' 2', ' 3', '-a', '+b', ' 4', ' 5', '@...']],
    ['a 1 2 3 4 5 b', 'x 1 2 3 4 5 y', ['-a', '+x', ' 1', ' 2', '@...', ' 4', ' 5', '-b', '+y']],
    ['a b c d', 'b x d', ['-a', ' b', '-c', '+x', ' d']],
  ])('%s -> %s', (before, after, lines) => {
    expect(shown(before, after)).toEqual(lines);
  });

  test('of two large texts is one block that goes and one that comes', () => {
    const lines = diffLines(['same', ...many('a')], ['same', ...many('b')]);
    expect(lines.slice(0, 2).map(({ sign }) => sign)).toEqual([' ', '-']);
    expect(lines).toHaveLength(6_001);
  });
});
