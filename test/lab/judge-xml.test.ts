// The reader of EC2's XML: what is well-formed and in EC2's manner, and nothing else.
import { expect, test } from 'vitest';
import type { ApiShape } from './api-models.ts';
import { checkElement, readXml } from './judge-xml.ts';

test('elements, attributes and entities', () => {
  const text =
    '<?xml version="1.0" encoding="UTF-8"?>\n<a xmlns="u&amp;v">\n <b>x &lt; y&#13;&#x41;</b><c/>\n</a>\n';
  expect(readXml(text)).toMatchObject({
    name: 'a',
    attributes: { xmlns: 'u&v' },
    children: [
      { name: 'b', text: 'x < y\rA', children: [] },
      { name: 'c', text: '', children: [] },
    ],
  });
});

test.each([
  ['a stray closing tag', '<a></b></a>'],
  ['one at the end', '<a/></a>'],
  ['an open element', '<a><b></b>'],
  ['text between elements', '<a>x<b/></a>'],
  ['two roots', '<a/><b/>'],
  ['none', ''],
  ['text at the top', 'x<a/>'],
  ['a late declaration', '<a><?xml version="1.0" encoding="UTF-8"?></a>'],
  ['another encoding', '<?xml version="1.0" encoding="latin1"?><a/>'],
  ['a comment', '<a><!-- x --></a>'],
  ['a doctype', '<!DOCTYPE html><a/>'],
  ['a bare ampersand', '<a>x & y</a>'],
  ['an unknown entity', '<a>&nbsp;</a>'],
  ['an unclosed entity', '<a>&amp</a>'],
  ['a character that XML forbids', '<a>\u0001</a>'],
  ['the same as an entity', '<a>&#1;</a>'],
])('refuses %s', (_name, text) => {
  expect(() => readXml(text)).toThrow(SyntaxError);
});

const shapes: Readonly<Record<string, ApiShape>> = {
  it: { type: 'structure', members: { list: { shape: 'list' } }, required: ['list'] },
  list: { type: 'list', member: { shape: 'text', locationName: 'item' }, max: 2 },
  text: { type: 'string' },
};

test.each([
  ['<it><list><item>a</item></list></it>', []],
  ['<it><list/></it>', []],
  ['<it/>', ['it.list: is required and missing']],
  ['<it><list>a</list></it>', ['it.list: has text, and is a list']],
  ['<it><list><item/><item/><item/></list></it>', ['it.list: 3 entries: more than 2']],
  ['<it><list/><list/></it>', ['it.list: comes twice']],
])('%s against its shape', (text, what) => {
  const found: string[] = [];
  const operation = { apiVersion: '', input: undefined, output: undefined, errors: [], shapes };
  const complain = (path: string, said: string): void => void found.push(`${path}: ${said}`);
  checkElement({ operation, complain }, 'it', 'it', readXml(text));
  expect(found).toEqual(what);
});
