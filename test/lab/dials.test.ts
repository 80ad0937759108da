// All dials come from the seed, each off in about half of the seeds; and the lab takes them.
import { expect, test } from 'vitest';
import { drawDials } from './dials.ts';
import { createLab } from './lab.ts';

const seeds = Array.from({ length: 400 }, (_, seed) => seed);
const flat = (seed: number): Readonly<Record<string, number>> => {
  const { ec2, imdsLags, imdsRates } = drawDials(seed);
  const { jitter, ...lags } = imdsLags;
  return { ...ec2, ...lags, imdsJitter: jitter, ...imdsRates };
};
const always = ['attachMs', 'detachMs', 'deviceMs', 'terminateMs', 'stopMs', 'startMs'];

test('the same seed, the same dials; another seed, others', () => {
  expect(drawDials(7)).toEqual(drawDials(7));
  expect(drawDials(8)).not.toEqual(drawDials(7));
});

test.each(Object.keys(flat(0)))('%s', (name) => {
  const values = seeds.map((seed) => flat(seed)[name]!);
  const off = values.filter((value) => value === 0).length / seeds.length;
  const isAlways = always.includes(name) || name.toLowerCase().endsWith('jitter');
  expect(off).toBeGreaterThanOrEqual(isAlways ? 0 : 0.4);
  expect(off).toBeLessThanOrEqual(isAlways ? 0.02 : 0.6);
  expect(new Set(values).size).toBeGreaterThan(100);
  expect(values.every((value) => value >= 0)).toBe(true);
});

test('dials are drawn apart from each other', () => {
  const both = seeds.filter((seed) => flat(seed)['describeLagMs']! > 0 && flat(seed)['reset']! > 0);
  expect(both.length / seeds.length).toBeGreaterThan(0.15);
  expect(both.length / seeds.length).toBeLessThan(0.35);
});

test('a lab of a swarm has them, but for what it is told itself', async () => {
  await using lab = await createLab({ swarm: 7, dials: { attachMs: 1 } });
  const { ec2, imdsLags, imdsRates } = drawDials(7);
  expect(lab.ec2.dials).toEqual({ ...ec2, attachMs: 1 });
  expect(lab.imds.lags).toEqual(imdsLags);
  expect(lab.imds.rates).toEqual(imdsRates);
});
