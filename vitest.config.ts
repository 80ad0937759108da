import { configDefaults, defineConfig } from 'vitest/config';

/** They start many processes, and some hold the VPC for long: after the others, which wait for it in their tests. */
const ofProcesses = ['test/*.test.ts'];
/** By emulation it takes both cores for minutes, and has the VPC all the while: alone. */
const ofMachine = ['test/instance-power.test.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    reporters: ['default', './test/report.ts'],
    setupFiles: ['./test/lab/judge-hooks.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/*/**/*.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'whole',
          include: ofProcesses,
          exclude: [...configDefaults.exclude, ...ofMachine],
          sequence: { groupOrder: 2 },
          // The VPC belongs to one file at a time, and the kill -9 test has it for minutes.
          testTimeout: 400_000,
          hookTimeout: 400_000,
        },
      },
      {
        extends: true,
        test: { name: 'machine', include: ofMachine, sequence: { groupOrder: 3 } },
      },
    ],
  },
});
