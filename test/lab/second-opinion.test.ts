// The lab against moto, an AWS by other hands: every difference is known, and what AWS documents decides it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { hasMoto, needsMoto, startMoto } from './moto.ts';
import { probes } from './probe-catalogue.ts';
import type { ProbeTarget } from './probe-clients.ts';
import { createGround, type Place, type Powers } from './probe-ground.ts';
import { createProbeLab, labPlace, powersOfLab } from './probe-lab.ts';
import { askAll, type Answers } from './probe-run.ts';

/** One row of the list. */
type Divergence = {
  readonly probe: string;
  /** What AWS may answer by its documents; empty: they do not say. */
  readonly aws: readonly string[];
  readonly source: string;
  readonly lab: string;
  readonly moto: string;
};

const file = join(import.meta.dirname, '..', 'fixtures', 'divergences.json');
const { moto: knownVersion, divergences } = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly moto: string;
  readonly divergences: readonly Divergence[];
};

test('the list names known probes, once each, and the lab says what AWS documents', () => {
  const names = divergences.map(({ probe }) => probe);
  expect(new Set(names).size).toBe(names.length);
  const known = new Set(probes.map(({ name }) => name));
  expect(known.size).toBe(probes.length);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
  const wrong = divergences.filter(({ aws, lab }) => aws.length > 0 && !aws.includes(lab));
  expect(wrong).toEqual([]);
  expect(divergences.filter(({ source }) => source === '')).toEqual([]);
});

async function answersOf(
  target: ProbeTarget,
  place: Place,
  powers: Partial<Powers>,
): Promise<Answers> {
  const run = 'second-opinion';
  await using ground = createGround({ target, place, powers, run, clock: systemClock });
  return await askAll(probes, ground);
}

function byProbe(rows: readonly { readonly probe: string }[]): object {
  return Object.fromEntries(rows.map((row) => [row.probe, row]));
}

test.skipIf(!hasMoto)(
  `the lab and moto differ where the list says, and nowhere else${needsMoto}`,
  async () => {
    await using lab = await createProbeLab();
    await using moto = await startMoto();
    const [ours, theirs] = await Promise.all([
      answersOf({ ...lab, credentials: lab.operator }, labPlace, powersOfLab(lab)),
      answersOf(moto, moto.place, moto.powers),
    ]);
    const seen = probes
      .map(({ name }) => ({
        probe: name,
        lab: ours.get(name)!.said,
        moto: theirs.get(name)!.said,
      }))
      .filter((row) => row.lab !== row.moto);
    console.log(
      `second opinion: moto ${moto.version}: ${probes.length} probes, ` +
        `${probes.length - seen.length} agreements, ${seen.length} divergences`,
    );
    const listed = divergences.map(({ probe, lab, moto }) => ({ probe, lab, moto }));
    expect(byProbe(seen), `the list was made with moto ${knownVersion}`).toEqual(byProbe(listed));
  },
  120_000,
);
