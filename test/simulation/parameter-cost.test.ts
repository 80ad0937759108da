// What docs/storm.md says of Parameter Store is what the bench prints.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parameterCost } from './parameter-cost.ts';

test('the table of docs/storm.md is that of the bench', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/storm.md'), 'utf8');
  const cells = page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  for (const row of parameterCost(10_000))
    expect(cells).toContainEqual(row.map((cell) => cell.trim()));
});

test('500 instances with one call each need 12.5 s, 10,000 need 250 s (boot.md section 4)', () => {
  expect(parameterCost(500)[1]![1]).toBe('13 s');
  expect(parameterCost(10_000)[1]![1]).toBe('250 s');
});
