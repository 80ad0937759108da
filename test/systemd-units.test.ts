// The unit files by systemd's own judgement, without booting anything.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasProgram } from './lab/environment.ts';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs', 'boot.md'), 'utf8');

/** In tenths. */
const thresholds = {
  'berth.service': 17,
  'berth-held.service': 10,
  'berth-wait.service': 6,
  'berth-files@.service': 14,
} as const;

/** `--offline` came with 250. */
const whyNot = ((): string => {
  if (!hasProgram('systemd-analyze')) return ' (skipped: systemd-analyze is missing)';
  const version = Number(
    /^systemd (\d+)/.exec(execFileSync('systemctl', ['--version'], { encoding: 'utf8' }))?.[1],
  );
  return version >= 250 ? '' : ` (skipped: systemd ${version} cannot analyze a file)`;
})();

type Finding = { readonly name: string; readonly exposure: string | null };

const analyze = (unit: string, ...flags: readonly string[]) =>
  spawnSync(
    'systemd-analyze',
    ['security', '--offline=true', '--no-pager', ...flags, join(root, 'systemd', unit)],
    { encoding: 'utf8' },
  );

describe.skipIf(whyNot !== '')(`systemd-analyze security${whyNot}`, () => {
  test.each(Object.entries(thresholds))('%s exposes at most %i tenths', (unit, threshold) => {
    const { status, stdout } = analyze(unit, `--threshold=${threshold}`);
    expect({ status, overall: /^→.*$/m.exec(stdout)?.[0] }).toMatchObject({ status: 0 });
  });

  test('docs/boot.md says why for each point that stays', () => {
    const findings = JSON.parse(
      analyze('berth.service', '--json=short').stdout,
    ) as readonly Finding[];
    const held = findings.flatMap(({ name, exposure }) =>
      exposure === null || Number(exposure) === 0 ? [] : [{ name, exposure }],
    );
    expect(held.length).toBeGreaterThan(5);
    const explained = [...page.matchAll(/^\| `([^`]+)` +\| (0\.\d) +\| \S/gm)].map(
      ([, name, exposure]) => ({ name: name!.replaceAll('\\|', '|'), exposure }),
    );
    expect(explained).toEqual(expect.arrayContaining(held));
  });
});
