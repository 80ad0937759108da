import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { scratch } from './environment.ts';
import { corpusNames, writeCorpus } from './ship-corpus.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const bytes = 300_000;
async function write(name: (typeof corpusNames)[number], files: number) {
  const folder = mkdtempSync(join(scratch, 'berth-corpus-'));
  folders.push(folder);
  const corpus = await writeCorpus(name, { folder, files, bytes });
  const texts = corpus.paths.map((path) => readFileSync(path, 'utf8'));
  return { corpus, texts, lines: texts.join('').split('\n').slice(0, -1) };
}

function hashOf(texts: readonly string[]): string {
  return createHash('sha256').update(texts.join('')).digest('hex');
}

describe('the log files of bench:ship', () => {
  test.each(corpusNames)('%s: as many lines and bytes as it says, no line twice', async (name) => {
    const { corpus, texts, lines } = await write(name, 7);
    expect(new Set(lines).size).toBe(corpus.lines);
    expect(lines).toHaveLength(corpus.lines);
    expect(texts.join('')).toHaveLength(corpus.bytes);
    expect(texts.every((text) => text.length > bytes / 8 && text.endsWith('\n'))).toBe(true);
  });

  test.each(corpusNames)('%s: the same bytes every time', async (name) => {
    expect(hashOf((await write(name, 2)).texts)).toBe(hashOf((await write(name, 2)).texts));
  });

  test.each([
    ['app', 0],
    ['nginx', 6],
    ['json', 40],
  ] as const)('%s: %d quotes in each line', async (name, quotes) => {
    const { lines } = await write(name, 1);
    expect(new Set(lines.map((line) => line.split('"').length - 1))).toEqual(new Set([quotes]));
  });
});
