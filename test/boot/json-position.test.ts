// Line and column of the first character that cannot be JSON.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonErrorPosition } from '../../src/boot/json-position.ts';

function offsetOf(text: string): number {
  const { line, column } = jsonErrorPosition(text);
  const before = text.split('\n').slice(0, line - 1);
  return before.reduce((sum, { length }) => sum + length + 1, 0) + column - 1;
}

describe('jsonErrorPosition', () => {
  test.each([
    ['', 1, 1],
    ['{', 1, 2],
    ['{"a": 1,}', 1, 9],
    ['{\n  "pool": "web"\n  "x": 1\n}', 3, 3],
    ['[1, 2', 1, 6],
    ['{"a" 1}', 1, 6],
    ['{a: 1}', 1, 2],
    ["{'a': 1}", 1, 2],
    ['{"a": "x\ny"}', 1, 7],
    ['{"a": 01}', 1, 8],
    ['{"a": nul}', 1, 7],
    ['{} {}', 1, 4],
    ['[1] // why', 1, 5],
    ['{"a": [1, 2}', 1, 12],
    ['not json', 1, 1],
    ['"\\x"', 1, 1],
  ])('%j: line %i, column %i', (text, line, column) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(jsonErrorPosition(text)).toEqual({ line, column });
  });

  test('good JSON is good to its end, and a cut one up to the cut', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (json, at) => {
        const cut = json.slice(0, at % (json.length + 1));
        expect(offsetOf(json)).toBe(json.length);
        expect(offsetOf(cut)).toBeLessThanOrEqual(cut.length);
      }),
    );
  });

  test('survives any depth', () => {
    expect(jsonErrorPosition('['.repeat(200_000))).toEqual({ line: 1, column: 200_001 });
  });
});
