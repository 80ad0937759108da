// The bundle that installs run: `node dist/main.cjs`. One chunk for each thing that is loaded when it is needed.
import { join } from 'node:path';
import { defineConfig } from 'rolldown';
import { writeCode } from './packaging/code.ts';

export default defineConfig({
  // The first loads the second.
  input: { main: 'src/launch.ts', berth: 'src/main.ts' },
  platform: 'node',
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
