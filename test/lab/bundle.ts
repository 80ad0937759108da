// Builds the bundle as `npm run build` does, into another folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { rolldown, type OutputOptions, type RolldownOptions } from 'rolldown';
import config from '../../rolldown.config.ts';

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

/** One file of the tests as the bundle of berth is made; returns its path. */
export async function bundleFile(file: string, folder: string): Promise<string> {
  const { output, ...input } = config as Omit<RolldownOptions, 'output'> & {
    readonly output: OutputOptions;
  };
  const build = await rolldown({ ...input, input: { main: file }, plugins: [] });
  await build.write({ ...output, dir: folder });
  await build.close();
  return join(folder, 'main.cjs');
}
