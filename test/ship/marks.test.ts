// When the bytes of a file were first seen.
import { describe, expect, test } from 'vitest';
import { createMarks } from '../../src/ship/marks.ts';

const start = 1_800_000_000_000;

test('a byte has the time of the look that first saw it, also much later', () => {
  const marks = createMarks([]);
  marks.note(10, start);
  marks.note(10, start + 1_000);
  marks.note(30, start + 2_000);
  const later = start + 3_600_000;
  expect([0, 9, 10, 29, 30].map((offset) => marks.timeOf(offset, later) - start)).toEqual([
    0, 0, 2_000, 2_000, 3_600_000,
  ]);
});

test('times never go back for a small step of the clock', () => {
  const marks = createMarks([]);
  marks.note(10, start);
  marks.note(20, start - 1_000);
  expect(marks.timeOf(15, start)).toBe(start);
});

test('what CloudWatch has is forgotten, and a replaced file begins anew', () => {
  const marks = createMarks([]);
  marks.note(10, start);
  marks.note(20, start + 1_000);
  marks.forget(10);
  expect(marks.timeOf(15, start + 9_000)).toBe(start + 1_000);
  marks.clear();
  marks.note(5, start + 2_000);
  expect(marks.timeOf(0, start + 9_000)).toBe(start + 2_000);
});

test('there are never many, and each stays close', () => {
  const marks = createMarks([]);
  for (let second = 1; second <= 10_000; second++) marks.note(second, start + second * 1_000);
  const offBy = marks.timeOf(4_999, start) - (start + 5_000_000);
  expect(offBy).toBeGreaterThanOrEqual(0);
  expect(offBy).toBeLessThan(300_000);
});

describe('in a checkpoint', () => {
  test('what CloudWatch does not have keeps its times over a crash', () => {
    const marks = createMarks([]);
    marks.note(10, start);
    marks.note(20, start + 1_000);
    marks.note(30, start + 2_000);
    marks.forget(10);
    const after = createMarks(marks.save());
    after.note(40, start + 60_000);
    expect([10, 20, 30].map((offset) => after.timeOf(offset, 0) - start)).toEqual([
      1_000, 2_000, 60_000,
    ]);
  });

  test('they are few: the first as they are, and then neighbours share the earlier time', () => {
    const marks = createMarks([]);
    for (let second = 1; second <= 1_000; second++) marks.note(second, start + second * 1_000);
    const times = marks.save();
    expect(times.length).toBeLessThanOrEqual(64);
    expect(times.at(-1)?.[0]).toBe(1_000);
    const after = createMarks(times);
    for (let second = 1; second <= 1_000; second++) {
      const earlierMs = start + second * 1_000 - after.timeOf(second - 1, 0);
      expect(earlierMs).toBeGreaterThanOrEqual(0);
      expect(earlierMs).toBeLessThan(second <= 32 ? 1 : 31_000);
    }
    expect(createMarks([]).save()).toEqual([]);
  });
});
