// The flags of Node in systemd/berth.service: what is measured runs as it is installed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const unit = readFileSync(
  join(import.meta.dirname, '..', '..', 'systemd', 'berth.service'),
  'utf8',
);

export const unitFlags: readonly string[] = /^ExecStart=\S+((?: --\S+)+) \S+main\.cjs/m
  .exec(unit)![1]!
  .trim()
  .split(' ');
