// A chunk of the bundle as a function, with the code that V8 made of it when the bundle was built.
//
// Node's own compile cache cannot be shipped: the name of its folder holds the user's id and the CPU's features, and it
// holds only what V8 compiles before a chunk runs. This one holds every function, so that a start compiles none.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';

export type Chunk = (
  exports: object,
  require: (id: string) => unknown,
  module: { exports: object },
) => void;

export type ChunkFiles = {
  readonly path: string;
  /** What `encodeCode` returned for it; may be missing, or of another Node. */
  readonly codePath: string;
};

const digestBytes = 20;
/** V8 copies what is not aligned. */
const headerBytes = 24;

/** Throws where the chunk itself cannot be read. */
export function loadChunk({ path, codePath }: ChunkFiles): Chunk {
  const source = readFileSync(path);
  const cachedData = codeFor(source, codePath);
  return compileChunk(path, source, cachedData).runInThisContext() as Chunk;
}

/** V8 refuses code of another version or other flags, and then compiles like without. */
export function compileChunk(path: string, source: Buffer, cachedData?: Buffer): Script {
  const text = source.toString().replace(/^#!.*/, '');
  return new Script(`(function (exports, require, module) {${text}\n})`, {
    filename: path,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
}

export function encodeCode(source: Buffer, code: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes);
  digestOf(source, code).copy(header);
  return Buffer.concat([header, code]);
}

/** undefined: there is none that is whole and of this source. V8 itself looks at neither. */
export function codeFor(source: Buffer, codePath: string): Buffer | undefined {
  try {
    const file = readFileSync(codePath);
    const code = file.subarray(headerBytes);
    return digestOf(source, code).equals(file.subarray(0, digestBytes)) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Against a torn file, not against an attacker, who could as well write the chunk. */
function digestOf(source: Buffer, code: Buffer): Buffer {
  return createHash('sha1').update(source).update(code).digest();
}
