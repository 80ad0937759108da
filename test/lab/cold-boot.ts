// A boot that finds neither Node nor the bundle in the page cache: on copies, which no other process maps. Only their own
// pages are dropped (`dd iflag=nocache`), so that the rest of the machine stays as it is.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, cpSync, fsyncSync, globSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hasProgram } from './environment.ts';

export type ColdFiles = Disposable & {
  readonly node: string;
  readonly main: string;
  drop(): void;
  /** Of all of them together. */
  residentBytes(): number | undefined;
};

/** Not in the namespaces' own folder, which is a tmpfs and never cold. */
export function copyCold(main: string): ColdFiles {
  const folder = mkdtempSync(join(tmpdir(), 'berth-cold-'));
  const node = join(folder, 'node');
  cpSync(process.execPath, node);
  cpSync(dirname(main), join(folder, 'bundle'), { recursive: true });
  const files = [node, ...globSync(join(folder, 'bundle', '**', '*.cjs'))];
  // What is not yet written cannot be dropped.
  for (const file of files) {
    const handle = openSync(file, 'r');
    fsyncSync(handle);
    closeSync(handle);
  }
  return {
    node,
    main: join(folder, 'bundle', 'main.cjs'),
    drop: () => {
      for (const file of files)
        execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
    },
    residentBytes: () => {
      if (!hasProgram('fincore')) return undefined;
      const { stdout } = spawnSync(
        'fincore',
        ['--bytes', '--noheadings', '--output=RES', ...files],
        {
          encoding: 'utf8',
        },
      );
      return stdout.split('\n').reduce((sum, line) => sum + Number(line), 0);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** From spawn to end, ms. */
export function timeBareNode(node: string): number {
  const startMs = performance.now();
  execFileSync(node, ['-e', '0']);
  return performance.now() - startMs;
}
