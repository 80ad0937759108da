// `npm run build:kernel`: compiles src/ship/kernel-assembly.ts into src/ship/kernel-wasm.ts.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..', '..');
const compiler = 'node_modules/assemblyscript/bin/asc.js';
const source = 'src/ship/kernel-assembly.ts';
const options = '--optimizeLevel 3 --converge --noAssert --enable simd --runtime stub'.split(' ');

export const kernelWasmFile = join(root, 'src', 'ship', 'kernel-wasm.ts');

/** The text of kernel-wasm.ts; the same for the same source. */
export async function buildKernel(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-kernel-'));
  try {
    const wasm = join(folder, 'kernel.wasm');
    const argv = [compiler, source, '--outFile', wasm, ...options];
    await promisify(execFile)(process.execPath, argv, { cwd: root });
    return [
      '// The WebAssembly of kernel.ts in base64, which `npm run build:kernel` made from kernel-assembly.ts.',
      `export const kernelWasm =\n  '${await readFile(wasm, 'base64')}';\n`,
    ].join('\n');
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) await writeFile(kernelWasmFile, await buildKernel());
