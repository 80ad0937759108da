// The bundle that a package carries, and the npm packages that went into it.
import { globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type OutputOptions } from 'rolldown';
import config from '../rolldown.config.ts';

const project = join(import.meta.dirname, '..');

export type Bundled = {
  readonly name: string;
  readonly version: string;
  /** SPDX. */
  readonly licence: string;
  /** What its LICENSE and NOTICE files say. */
  readonly texts: readonly string[];
};

export type Bundle = {
  /** Names of files in the folder. */
  readonly files: readonly string[];
  /** Sorted by name and version. */
  readonly bundled: readonly Bundled[];
};

export async function buildBundle(folder: string): Promise<Bundle> {
  const built = await build({
    ...config,
    cwd: project,
    // The code of each architecture is made by its own Node.
    plugins: [],
    output: { ...(config.output as OutputOptions), dir: folder },
    logLevel: 'warn',
  });
  await dropHashbang(join(folder, 'berth.cjs'));
  const homes = new Set<string>();
  for (const chunk of built.output) {
    if (chunk.type !== 'chunk') throw new Error(`cannot package ${chunk.fileName}: not a chunk`);
    for (const id of chunk.moduleIds) {
      const home = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];
      if (home !== undefined) homes.add(home);
    }
  }
  const bundled = await Promise.all([...homes].map(describe));
  return {
    files: built.output.map(({ fileName }) => fileName).toSorted(),
    bundled: bundled.toSorted((a, b) => keyOf(a).localeCompare(keyOf(b), 'en')),
  };
}

/** It names the Node of a checkout. */
async function dropHashbang(file: string): Promise<void> {
  const program = await readFile(file, 'utf8');
  await writeFile(file, program.replace(/^#!.*\n/, ''));
}

function keyOf({ name, version }: Bundled): string {
  return `${name}@${version}`;
}

async function describe(home: string): Promise<Bundled> {
  const text = await readFile(join(home, 'package.json'), 'utf8');
  const { name, version, license } = JSON.parse(text) as Readonly<Record<string, string>>;
  if (name === undefined || version === undefined || license === undefined)
    throw new Error(`cannot tell name, version and licence of ${home}`);
  const files = globSync('{LICEN[SC]E,NOTICE,COPYING}*', { cwd: home }).toSorted();
  const texts = await Promise.all(files.map((file) => readFile(join(home, file), 'utf8')));
  return { name, version, licence: license, texts };
}
