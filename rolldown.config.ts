// The bundle that installs run: `node dist/main.cjs`. One chunk for each thing that is loaded when it is needed.
import { defineConfig } from 'rolldown';

export default defineConfig({
  input: { main: 'src/main.ts' },
  platform: 'node',
  // The CommonJS build of an SDK client cannot be shaken: 1.9 MB in place of 0.7.
  resolve: { mainFields: ['module', 'main'] },
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
});
