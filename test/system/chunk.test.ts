// A chunk runs with the code that was made of it, and without where that does not fit.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileChunk, encodeCode } from '../../src/system/chunk.ts';
import { temporaryFolder, type TemporaryFolder } from '../fixtures/temporary-folder.ts';

const chunkModule = pathToFileURL(
  join(import.meta.dirname, '..', '..', 'src', 'system', 'chunk.ts'),
).href;

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

/** In a process of its own, since V8 knows what it has compiled before. */
const program = `
  const { loadChunk } = await import(process.argv[1]);
  const module = { exports: {} };
  const files = { path: process.argv[2], codePath: process.argv[3] };
  loadChunk(files)(module.exports, (id) => (id === './x.cjs' ? 40 : 0), module);
  console.log(module.exports.answer);`;

/** What `one` answers beside such a file of code. */
function answerWith(code: Buffer | undefined): string {
  const path = folder.file('one.cjs', one.toString());
  const codePath = `${folder.path}/one.code`;
  if (code !== undefined) writeFileSync(codePath, code);
  const args = ['--input-type=module', '-e', program, chunkModule, path, codePath];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return stdout.trim() + stderr;
}

test('a chunk gets exports, require and module; its hashbang is none of its code', () => {
  expect(answerWith(undefined)).toBe('41');
});

test('V8 takes the code, wherever the chunk lay when it was made', () => {
  const code = compileChunk('/elsewhere/one.cjs', one).createCachedData();
  expect(compileChunk('/here/one.cjs', one, code).cachedDataRejected).toBe(false);
  expect(answerWith(codeOf(one))).toBe('41');
});

describe('code that does not fit is not used', () => {
  test('of another chunk, which V8 would run in its place', () => {
    const code = compileChunk('/elsewhere/two.cjs', two).createCachedData();
    expect(compileChunk('/here/one.cjs', one, code).cachedDataRejected).toBe(false);
    expect(answerWith(codeOf(two))).toBe('41');
  });

  test.each([
    ['empty', (code: Buffer) => code.subarray(0, 0)],
    ['cut short', (code: Buffer) => code.subarray(0, code.length - 100)],
    ['with a block of zeros', (code: Buffer) => Buffer.from(code).fill(0, 64, 128)],
    ['of another version of V8', (code: Buffer) => Buffer.from(code).fill(7, 24, 32)],
  ])('%s', (_, damage) => {
    expect(answerWith(damage(codeOf(one)))).toBe('41');
  });
});
