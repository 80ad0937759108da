// Compiles each chunk of a bundle, for the Node that runs this (packaging/code.ts): FROM INTO.
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { compileChunk, encodeCode } from '../src/system/chunk.ts';

const [, , from, into] = process.argv;
if (from === undefined || into === undefined) throw new Error('cannot compile: say FROM and INTO');

// Of chunks, every function; of this program and of Node, what it needs.
setFlagsFromString('--no-lazy');
const compiled = globSync('*.cjs', { cwd: from })
  .filter((file) => file !== 'main.cjs')
  .map((file) => {
    const source = readFileSync(join(from, file));
    // V8 writes the name down: where this was built is nobody's business, and another folder would be other bytes.
    return { file, source, script: compileChunk(file, source) };
  });
// The code says with which flags it was made, and V8 takes it under the same alone.
setFlagsFromString('--lazy');
setFlagsFromString('--hash-seed=0');
mkdirSync(into, { recursive: true });
for (const { file, source, script } of compiled) {
  writeFileSync(join(into, file), encodeCode(source, script.createCachedData()));
}
