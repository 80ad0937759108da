// Where the bundle starts: loads its chunks, the first of which is main.ts. The source starts there at once.
import { join } from 'node:path';
import { loadChunk } from './system/chunk.ts';

const folder = import.meta.dirname;
const loaded = new Map<string, { exports: object }>();

function load(file: string): object {
  const known = loaded.get(file);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  // Before it runs, since chunks may need each other.
  loaded.set(file, module);
  const chunk = loadChunk({ path: join(folder, file), codePath: join(folder, 'code', file) });
  chunk(module.exports, require, module);
  return module.exports;
}

/** Of a chunk: the others, and what Node has built in; the bundle needs no package. */
function require(id: string): unknown {
  if (id.startsWith('./')) return load(id.slice(2));
  const builtin = process.getBuiltinModule(id);
  if (builtin === undefined) throw new Error(`cannot find ${id}: it is no part of the bundle`);
  return builtin;
}

load('berth.cjs');
