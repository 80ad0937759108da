// Does V8, under the flags of this very process, take the code that lies beside the chunks of a bundle? As JSON.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeFor, compileChunk } from '../../src/system/chunk.ts';

const folder = process.argv[2]!;
const files = globSync('*', { cwd: join(folder, 'code') });
const refused = files.filter((file) => {
  const source = readFileSync(join(folder, file));
  const code = codeFor(source, join(folder, 'code', file));
  return code === undefined || compileChunk(file, source, code).cachedDataRejected !== false;
});
console.log(JSON.stringify({ taken: files.length - refused.length, refused }));
