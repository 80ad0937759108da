import { describe, expect, test } from 'vitest';
import { createLedger, type Ledger } from './soak-ledger.ts';
import { lineKinds, lineOf, parseLine } from './soak-line.ts';

const atMs = Date.UTC(2026, 0, 2, 3, 4, 5);

describe('the lines of the soak', () => {
  test.each(lineKinds)('%s: each is another, and is known again', (kind) => {
    const writer = `${kind}-7`;
    const lines = Array.from({ length: 500 }, (_, seq) => lineOf(writer, seq, atMs));
    expect(new Set(lines).size).toBe(lines.length);
    const timestampMs = kind === 'dated' ? atMs : undefined;
    expect(lines.map(parseLine)).toEqual(
      lines.map((_, seq) => ({ writer, seq, intact: true, timestampMs })),
    );
  });

  test('what was cut, joined or changed is seen', () => {
    const line = lineOf('plain-1', 3, atMs);
    for (const broken of [line.slice(0, -1), `${line}\n${line}`, `${line} `]) {
      expect(parseLine(broken)).toMatchObject({ writer: 'plain-1', seq: 3, intact: false });
    }
    expect(parseLine('something else')).toBeUndefined();
    expect(parseLine(line.slice(2))).toBeUndefined();
  });

  test('some of a trace are of several lines, and those begin with a blank', () => {
    const events = Array.from({ length: 50 }, (_, seq) => lineOf('trace-1', seq, atMs));
    const more = events.flatMap((event) => event.split('\n').slice(1));
    expect(more.length).toBeGreaterThan(10);
    expect(more.every((line) => line.startsWith(' '))).toBe(true);
  });
});

function take(...seqs: readonly number[]): Ledger {
  const ledger = createLedger();
  for (const seq of seqs) ledger.take('plain-1', seq, atMs);
  return ledger;
}

/** Lines 0, 3, 1, 2 in this order, with these times. */
function late(...times: readonly [number, number, number, number]): Ledger {
  const ledger = createLedger();
  for (const [index, seq] of [0, 3, 1, 2].entries())
    ledger.take('plain-1', seq, atMs + times[index]!);
  return ledger;
}

describe('the ledger of the soak', () => {
  test('all, each once, in order', () => {
    const ledger = take(0, 1, 2);
    expect(ledger).toMatchObject({ arrived: 3, repeated: 0, misplaced: 0, refused: [] });
    expect(ledger.compare({ 'plain-1': 3 })).toEqual({ missing: 0, examples: [], unwritten: 0 });
  });

  test('what is missing, at the end, in the middle, or of a whole writer', () => {
    expect(take(0, 1, 3).compare({ 'plain-1': 5, 'plain-2': 1 })).toEqual({
      missing: 3,
      examples: ['plain-1 2', 'plain-1 4', 'plain-2 0'],
      unwritten: 0,
    });
  });

  test('what comes again is no disorder', () => {
    expect(take(0, 1, 2, 0, 1, 2, 3)).toMatchObject({ arrived: 4, repeated: 3, misplaced: 0 });
  });

  test('what comes late for the first time is', () => {
    expect(take(0, 2, 1, 3)).toMatchObject({ arrived: 4, repeated: 0, misplaced: 1 });
    expect(take(0, 2, 1, 3).disorder).toEqual(['plain-1 1, and 2 to 2']);
  });

  test('what comes late and has an earlier time stands where it belongs, what has a later one does not', () => {
    expect(late(0, 2, 1, 1).disorder).toEqual([]);
    expect(late(0, 1, 1, 1).misplaced).toBe(2);
    // In front of what was there before.
    expect(late(1, 2, 0, 1).disorder).toEqual(['plain-1 1, and 0 to 0']);
  });

  test('what nobody wrote', () => {
    expect(take(0, 1, 7).compare({ 'plain-1': 1 })).toMatchObject({ missing: 0, unwritten: 2 });
    expect(take(0).compare({})).toMatchObject({ unwritten: 1 });
  });

  test('what was refused is no gap, and may be refused again', () => {
    const ledger = take(0, 2);
    ledger.refuse('plain-1', 1);
    ledger.refuse('plain-1', 1);
    expect(ledger).toMatchObject({ arrived: 2, misplaced: 0, refused: ['plain-1 1'] });
    expect(ledger.compare({ 'plain-1': 3 }).missing).toBe(0);
  });

  test('says how far each is, once', () => {
    const ledger = take(0, 1, 3);
    expect(ledger.moved()).toEqual({ 'plain-1': 2 });
    expect(ledger.moved()).toEqual({});
    ledger.take('plain-1', 2, atMs);
    expect(ledger.moved()).toEqual({ 'plain-1': 4 });
    expect(ledger.settledOf('plain-1')).toBe(4);
  });
});
