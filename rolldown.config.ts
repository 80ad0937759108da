// The bundle that installs run: `node dist/main.cjs`. One chunk for each thing that is loaded when it is needed.
import { join } from 'node:path';
import { defineConfig } from 'rolldown';
import { writeCode } from './packaging/code.ts';

type InfoOf = (id: string) => { readonly importers: readonly string[] } | null;

/** Itself too; not those that load it when they need it. */
function importersOf(id: string, infoOf: InfoOf): ReadonlySet<string> {
  const found = new Set([id]);
  // A set goes on with what is added to it.
  for (const one of found) for (const importer of infoOf(one)?.importers ?? []) found.add(importer);
  return found;
}

/** What `berth wait` and `berth status` need, which run beside the daemon, stays small. */
function isDaemons(importers: ReadonlySet<string>): boolean {
  const isIn = (file: string): boolean => importers.has(join(import.meta.dirname, 'src', file));
  return (
    isIn('commands/run.ts') && !['main.ts', 'commands/wait.ts', 'commands/status.ts'].some(isIn)
  );
}

export default defineConfig({
  // The first loads the second.
  input: { main: 'src/launch.ts', berth: 'src/main.ts' },
  platform: 'node',
  // Chunks of our own making may hold more than the entry says.
  preserveEntrySignatures: false,
  // The CommonJS build of an SDK client cannot be shaken: 1.9 MB in place of 0.7.
  resolve: {
    mainFields: ['module', 'main'],
    alias: {
      '@aws-sdk/credential-provider-node': join(
        import.meta.dirname,
        'packaging/no-credential-chain.ts',
      ),
    },
  },
  output: {
    dir: 'dist',
    cleanDir: true,
    // An import() of node:http reads each of its exports and so loads undici, 40 ms and 3 MB; require does not.
    format: 'cjs',
    dynamicImportInCjs: false,
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
    minify: true,
    // Each chunk costs two files, and by itself the daemon would start with forty.
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        {
          debugName: 'daemon',
          name: (id, context) =>
            isDaemons(importersOf(id, (one) => context.getModuleInfo(one))) ? 'daemon' : undefined,
        },
      ],
    },
  },
  plugins: [
    {
      name: 'code',
      writeBundle: ({ dir: from }) => {
        if (from === undefined) throw new Error('cannot write code: the bundle has no folder');
        writeCode({ node: [process.execPath], from, into: join(from, 'code') });
      },
    },
  ],
});
