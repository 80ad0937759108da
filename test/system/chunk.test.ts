// A chunk runs with the code that was made of it, and without where that does not fit.
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileChunk, encodeCode, loadChunk } from '../../src/system/chunk.ts';
import { temporaryFolder, type TemporaryFolder } from '../fixtures/temporary-folder.ts';

let folder: TemporaryFolder;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => folder[Symbol.dispose]());

/** They differ in what V8 does not look at: their length is the same. */
const one = Buffer.from('#!/usr/bin/env node\nexports.answer = require("./x.cjs") + 1; // é');
const two = Buffer.from('#!/usr/bin/env node\nexports.answer = require("./x.cjs") + 2; // é');

const codeOf = (source: Buffer): Buffer =>
  encodeCode(source, compileChunk('/elsewhere/one.cjs', source).createCachedData());

/** What `one` answers beside such a file of code. */
function answerWith(code: Buffer | undefined): unknown {
  const path = folder.file('one.cjs', one.toString());
  const codePath = `${folder.path}/one.code`;
  if (code !== undefined) writeFileSync(codePath, code);
  const module: { exports: { answer?: unknown } } = { exports: {} };
  loadChunk({ path, codePath })(module.exports, (id) => (id === './x.cjs' ? 40 : 0), module);
  return module.exports.answer;
}

test('a chunk gets exports, require and module; its hashbang is none of its code', () => {
  expect(answerWith(undefined)).toBe(41);
});

test('V8 takes the code, wherever the chunk lay when it was made', () => {
  const code = compileChunk('/elsewhere/one.cjs', one).createCachedData();
  expect(compileChunk('/here/one.cjs', one, code).cachedDataRejected).toBe(false);
  expect(answerWith(codeOf(one))).toBe(41);
});

describe('code that does not fit is not used', () => {
  test('of another chunk, which V8 would run in its place', () => {
    const code = compileChunk('/elsewhere/two.cjs', two).createCachedData();
    expect(compileChunk('/here/one.cjs', one, code).cachedDataRejected).toBe(false);
    expect(answerWith(codeOf(two))).toBe(41);
  });

  test.each([
    ['empty', (code: Buffer) => code.subarray(0, 0)],
    ['cut short', (code: Buffer) => code.subarray(0, code.length - 100)],
    ['with a block of zeros', (code: Buffer) => Buffer.from(code).fill(0, 64, 128)],
    ['of another version of V8', (code: Buffer) => Buffer.from(code).fill(7, 24, 32)],
  ])('%s', (_, damage) => {
    expect(answerWith(damage(codeOf(one)))).toBe(41);
  });
});
