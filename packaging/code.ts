// The code that V8 makes of the bundle's chunks, made by the Node that will take it: it is good for that version alone, and
// for that architecture.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export type CodeInput = {
  /** The command of that Node; of another architecture: behind qemu. */
  readonly node: readonly [string, ...string[]];
  /** The folder of the bundle. */
  readonly from: string;
  /** Where `main.cjs` looks for it: `code` beside the chunks. */
  readonly into: string;
};

/** The same bytes each time: nothing of the chunks is run, and the seed of V8's hashes is given. */
export function writeCode({ node, from, into }: CodeInput): void {
  const [program, ...args] = node;
  const script = join(import.meta.dirname, 'compile-chunks.ts');
  const flags = ['--hash-seed=1', '--disable-warning=ExperimentalWarning'];
  execFileSync(program, [...args, ...flags, script, from, into], { stdio: 'inherit' });
}
