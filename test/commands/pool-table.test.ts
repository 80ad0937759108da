// A pool for people, line by line.
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import type { Berth } from '../../src/claim/survey.ts';
import { renderPools } from '../../src/commands/pool-table.ts';

const berth = (change: Partial<Berth>): Berth => ({
  eniId: 'eni-1',
  availabilityZone: 'eu-west-1a',
  ipv4: ['10.0.1.50'],
  mac: '02:00:00:00:00:01',
  state: 'free',
  holder: undefined,
  owner: undefined,
  since: undefined,
  epoch: 0,
  ...change,
});

const pools = {
  db: [
    berth({}),
    berth({
      eniId: 'eni-22',
      ipv4: ['10.0.1.51', '10.0.1.52'],
      state: 'attached',
      holder: 'i-1',
      owner: 'i-1',
      since: '2027-01-15T08:00:00.000Z',
      epoch: 12,
    }),
    berth({ eniId: 'eni-3', state: 'stale', owner: 'i-9', epoch: 3 }),
    berth({ eniId: 'eni-4', state: 'foreign', holder: 'i-2', owner: 'i-9', epoch: 4 }),
  ],
  empty: [],
};

test('a line for each ENI, aligned, and a sum', () => {
  expect(renderPools(pools, false)).toBe(
    [
      'pool db: 4 ENIs, 1 free, 1 attached, 1 stale, 1 foreign',
      'ENI     ZONE        ADDRESS       MAC                STATE     HOLDER     SINCE                 EPOCH',
      'eni-1   eu-west-1a  10.0.1.50     02:00:00:00:00:01  free      -          -                     0',
      'eni-22  eu-west-1a  10.0.1.51 +1  02:00:00:00:00:01  attached  i-1        2027-01-15T08:00:00Z  12',
      'eni-3   eu-west-1a  10.0.1.50     02:00:00:00:00:01  stale     (i-9)      -                     3',
      'eni-4   eu-west-1a  10.0.1.50     02:00:00:00:00:01  foreign   i-2 (i-9)  -                     4',
      '',
      'pool empty: 0 ENIs',
    ].join('\n'),
  );
});

test('colour changes nothing but the colour', () => {
  const inColour = renderPools(pools, true);
  expect(inColour).toContain('\u001B[31mstale   \u001B[0m');
  expect(stripVTControlCharacters(inColour)).toBe(renderPools(pools, false));
});
