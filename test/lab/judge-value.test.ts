// The judge of single values and JSON trees, by shapes that no call of berth has.
import { expect, test } from 'vitest';
import type { ApiShape } from './api-models.ts';
import { checkJson } from './judge-value.ts';

const text: ApiShape = { type: 'string' };

function complaints(
  value: unknown,
  shape: ApiShape,
  shapes: Readonly<Record<string, ApiShape>> = {},
): readonly string[] {
  const found: string[] = [];
  const operation = {
    apiVersion: '',
    input: undefined,
    output: undefined,
    errors: [],
    shapes: { text, ...shapes, it: shape },
  };
  const complain = (path: string, what: string): void => void found.push(`${path}: ${what}`);
  checkJson({ operation, complain }, 'it', 'it', value);
  return found;
}

const map: ApiShape = {
  type: 'map',
  key: { shape: 'key' },
  value: { shape: 'text' },
  min: 1,
  max: 2,
};
const key: ApiShape = { type: 'string', max: 3 };
const union: ApiShape = {
  type: 'structure',
  members: { a: { shape: 'text' }, b: { shape: 'text' } },
  union: true,
};

test.each([
  ['a good map', { abc: 'x' }, map, []],
  ['an empty map', {}, map, ['it: 0 entries: less than 1']],
  ['a large map', { a: '', b: '', c: '' }, map, ['it: 3 entries: more than 2']],
  ['a key', { abcd: 'x' }, map, ['it key: 4 characters: more than 3']],
  ['a value of a map', { a: 1 }, map, ['it.a: 1 is no string']],
  ['no map', [], map, ['it: [] is no map']],
  ['a union', { a: 'x' }, union, []],
  ['two of a union', { a: '', b: '' }, union, ['it: a union has one member, not 2']],
  ['a blob', 'AAEC', { type: 'blob', max: 3 }, []],
  ['a large blob', 'AAEC', { type: 'blob', max: 2 }, ['it: 3 bytes: more than 2']],
  ['no base64', 'a-b', { type: 'blob' }, ['it: "a-b" is no blob']],
  ['an integer', 2 ** 31 - 1, { type: 'integer' }, []],
  ['too large for one', 2 ** 31, { type: 'integer' }, ['it: 2147483648 is no 32-bit integer']],
  ['a long', 2 ** 31, { type: 'long' }, []],
  ['a fraction', 0.5, { type: 'double' }, []],
  ['no boolean', 'true', { type: 'boolean' }, ['it: "true" is no boolean']],
  ['null', null, union, ['it: null is no structure']],
  ['a type of tomorrow', 1, { type: 'decimal' }, ['it: the judge does not know the type decimal']],
  ['an emoji is one character', '😀', { type: 'string', max: 1 }, []],
  [
    'a pattern is the whole',
    'xay',
    { type: 'string', pattern: 'a' },
    ['it: xay is not of the pattern a'],
  ],
  [
    'and each branch of it',
    'ab',
    { type: 'string', pattern: 'a|b' },
    ['it: ab is not of the pattern a|b'],
  ],
  ['a pattern of Java', 'ALL', { type: 'string', pattern: '(?i)all|[0-9]{12}' }, []],
  ['a careless pattern', 'a-b', { type: 'string', pattern: String.raw`[\w-_]*` }, []],
] as const)('%s', (_name, value, shape, what) => {
  expect(complaints(value, shape, { key })).toEqual(what);
});
