// `berth version`.
import packageJson from '../../package.json' with { type: 'json' };
import { parseFlags } from './flags.ts';
import type { Run } from './command.ts';

export const version: string = packageJson.version;

export const run: Run = async (args) => {
  parseFlags(args, {});
  process.stdout.write(`berth ${version} (Node ${process.versions.node}, ${process.arch})\n`);
  return 0;
};
