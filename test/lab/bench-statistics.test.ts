// Medians, ratios and tables of the benchmarks.
import { describe, expect, test } from 'vitest';
import { ratioText, spreadOf, spreadText, tableLines } from './bench-statistics.ts';

describe('median', () => {
  test.each([
    ['of one', [7], { median: 7, min: 7, max: 7 }],
    // As text, 1000 would come before 9.
    ['of an odd number', [1000, 9, 80], { median: 80, min: 9, max: 1000 }],
    ['of an even number: between the two', [10, 1, 4, 2], { median: 3, min: 1, max: 10 }],
  ])('%s', (_name, samples, expected) => {
    const given = [...samples];
    expect(spreadOf(given)).toEqual(expected);
    expect(given).toEqual(samples);
  });

  test('of nothing is no number', () => {
    expect(() => spreadOf([])).toThrow('no samples');
  });
});

test.each([
  [{ median: 612.4, min: 580, max: 701.6 }, 0, '612 (580-702)'],
  [{ median: 0.345, min: 0.3, max: 0.4 }, 2, '0.34 (0.30-0.40)'],
  [{ median: 6, min: 6, max: 6 }, 0, '6'],
])('a spread is written %#', (spread, digits, text) => {
  expect(spreadText(spread, digits)).toBe(text);
});

test.each([
  [5115, 612, '8.4 x'],
  [5115, 390, '13 x'],
  [82, 142, '0.6 x'],
  [5, 0, '-'],
])('%d to %d is %s', (of, to, text) => {
  expect(ratioText(of, to)).toBe(text);
});

test('columns are as wide as their widest cell; numbers end below each other', () => {
  const rows = [
    ['', 'berth', 'script'],
    ['ready, ms', '390', '12345678'],
    ['calls', '6'],
  ];
  expect(tableLines(rows)).toEqual([
    '            berth     script',
    '----------------------------',
    'ready, ms     390   12345678',
    'calls           6',
  ]);
});
