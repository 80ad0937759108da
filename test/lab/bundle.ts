// Builds the bundle as `npm run build` does, into another folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** Returns the program: `node <that> run`. */
export async function buildBundle(folder: string): Promise<string> {
  const argv = ['--run', 'build', '--', '--dir', folder];
  const child = spawn(process.execPath, argv, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`cannot build the bundle: ${output}`);
  return join(folder, 'main.cjs');
}
