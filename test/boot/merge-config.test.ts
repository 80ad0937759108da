// Trees of parameters as trees of configuration, and what wins.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeValues, treeOf, type Leaf } from '../../src/boot/merge-config.ts';

const secret = (path: string, value: string): Leaf => ({
  path,
  parameter: { value, version: 1, isList: false, isSecret: true },
});
const leaf = (path: string, value: string, isList = false): Leaf => ({
  path,
  parameter: { value, version: 1, isList, isSecret: false },
});
const tree = (...leaves: readonly Leaf[]): unknown => treeOf('/t/', leaves);

describe('a tree', () => {
  test('folders are keys, numbers from 0 are a list, in their order', () => {
    const ten = Array.from({ length: 11 }, (_, i) => leaf(`pools/${10 - i}/name`, `p${10 - i}`));
    expect(tree(leaf('routing/mode', 'verify'), ...ten)).toEqual({
      routing: { mode: 'verify' },
      pools: Array.from({ length: 11 }, (_, i) => ({ name: `p${i}` })),
    });
  });

  test('numbers with a gap are keys', () => {
    expect(tree(leaf('a/0', 'x'), leaf('a/2', 'y'))).toEqual({ a: { 0: 'x', 2: 'y' } });
  });

  test.each([
    ['true', true],
    ['30', 30],
    ['-1.5', -1.5],
    ['"30"', '30'],
    ['{"a":[1]}', { a: [1] }],
    ['[]', []],
    ['db', 'db'],
    ['trueish', 'trueish'],
    ['10.0.1.50', '10.0.1.50'],
    ['{broken', '{broken'],
    ['', ''],
    ['null', 'null'],
  ])('%s', (value, expected) => {
    expect(tree(leaf('a', value))).toEqual({ a: expected });
  });

  test('a StringList is a list', () => {
    expect(tree(leaf('a', 'x,y', true))).toEqual({ a: ['x', 'y'] });
  });

  test('a variable of a hook is a text, whatever it looks like', () => {
    expect(tree(leaf('hooks/environment/PIN', '12345678'))).toEqual({
      hooks: { environment: { PIN: '12345678' } },
    });
  });

  test('a SecureString stands where a secret may, or is a piece of JSON', () => {
    expect(tree(secret('files/0/content', 'hunter22'))).toEqual({
      files: [{ content: 'hunter22' }],
    });
    expect(tree(secret('hooks', '{"onReady":["true"]}'))).toEqual({
      hooks: { onReady: ['true'] },
    });
    for (const path of ['pools/0/name', 'files/0/path', 'hooks/onReady', 'releaseOnStop']) {
      const value = path === 'releaseOnStop' ? 'true' : 'hunter22';
      expect(() => tree(secret(path, value))).toThrow(
        new RegExp(`^cannot use the parameter /t/${path}: it is a SecureString, and a secret can`),
      );
    }
    expect(() => tree(secret('hooks/environment/A', 'short'))).toThrow(/fewer than 6 characters/);
    expect(() => tree(secret('pools/0/name', 'hunter22'))).not.toThrow('hunter22');
  });

  test('a value and a folder at once, whichever comes first', () => {
    const both = [leaf('a', '1'), leaf('a/b', '2')];
    expect(() => tree(...both)).toThrow(/below \/t\/: a\/b is a value and a folder at once/);
    expect(() => tree(...both.toReversed())).toThrow(/a is a value and a folder at once/);
  });

  test('a name that JavaScript knows is a key like others', () => {
    const found = tree(leaf('__proto__/x', '1'), leaf('constructor', '2'));
    expect(Object.entries(found as object)).toEqual([
      ['__proto__', { x: 1 }],
      ['constructor', 2],
    ]);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });
});

describe('merging', () => {
  test('objects key by key, all else is replaced', () => {
    expect(
      mergeValues([{ a: { b: 1, c: [1, 2] }, d: 1 }, { a: { c: [3] }, e: null }, { d: { f: 1 } }]),
    ).toEqual({ a: { b: 1, c: [3] }, d: { f: 1 }, e: null });
  });

  test('__proto__ is a key like others', () => {
    const evil: unknown = JSON.parse('{"__proto__":{"x":1}}');
    const merged = mergeValues([{}, evil, evil]) as { x?: unknown };
    expect(merged.x).toBeUndefined();
    expect(Object.keys(merged)).toEqual(['__proto__']);
  });

  test('any value: merging with itself changes nothing, and the last one is in it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(mergeValues([a, a])).toEqual(a);
        expect(mergeValues([a, b, b])).toEqual(mergeValues([a, b]));
      }),
    );
  });
});
