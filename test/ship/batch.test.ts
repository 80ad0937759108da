// Batching against the limits of PutLogEvents, for any sequence of events.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addEvent,
  createBatch,
  createEvent,
  eventOverheadBytes,
  inOrder,
  maxBatchBytes,
  maxBatchEvents,
  maxMessageBytes,
  maxSpanMs,
  nextTimestampMs,
  restampEvents,
  truncateEvent,
  truncationMark,
  type Batch,
  type LogEvent,
} from '../../src/ship/batch.ts';

const nowMs = 1_800_000_000_000;
const hourMs = 3_600_000;

/** Cuts a sequence into batches, as a shipper does one after the other. */
function batchEvents(events: readonly LogEvent[]): readonly Batch[] {
  const batches: Batch[] = [];
  for (const event of events) {
    const last = batches.at(-1);
    if (last !== undefined && addEvent(last, event)) continue;
    const batch = createBatch();
    addEvent(batch, event);
    batches.push(batch);
  }
  return batches;
}

describe('addEvent', () => {
  const event = fc
    .record({
      unit: fc.constantFrom('a', 'é', '\u20ac', '\u{1f6a2}', '\0', '"'),
      length: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 400_000 })),
      timestampMs: fc.integer({ min: nowMs - 30 * hourMs, max: nowMs }),
    })
    .map(({ unit, length, timestampMs }) => createEvent(unit.repeat(length), timestampMs));

  test('keeps every limit and loses nothing', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), fc.boolean(), (events, sorted) => {
        const input = sorted ? events.toSorted((a, b) => a.timestampMs - b.timestampMs) : events;
        const batches = batchEvents(input);
        expect(batches.flatMap((batch) => batch.events)).toEqual(input);
        for (const batch of batches) {
          const times = inOrder(batch).map(({ timestampMs }) => timestampMs);
          const bytes = batch.events
            .map(({ message }) => Buffer.byteLength(message) + eventOverheadBytes)
            .reduce((a, b) => a + b, 0);
          expect(bytes).toBe(batch.bytes);
          expect(bytes).toBeLessThanOrEqual(maxBatchBytes);
          expect(times).toEqual(times.toSorted((a, b) => a - b));
          expect(times.at(-1)! - times[0]!).toBeLessThanOrEqual(maxSpanMs);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('fills a batch to the last byte and the last event', () => {
    const half = createEvent('a'.repeat(maxBatchBytes / 2 - eventOverheadBytes), nowMs);
    expect(batchEvents([half, half]).map(({ bytes }) => bytes)).toEqual([maxBatchBytes]);
    const larger = createEvent(`${half.message}a`, nowMs);
    expect(batchEvents([half, larger])).toHaveLength(2);
    const many = Array.from({ length: maxBatchEvents + 1 }, () => createEvent('a', nowMs));
    expect(batchEvents(many).map(({ events }) => events.length)).toEqual([maxBatchEvents, 1]);
  });
});

describe('an event', () => {
  test('at the limit passes whole, beyond it is cut and marked', () => {
    expect(createEvent('a'.repeat(maxMessageBytes), nowMs).message).not.toContain(truncationMark);
    const cut = createEvent('a'.repeat(maxMessageBytes + 1), nowMs);
    expect(cut.message.endsWith(truncationMark)).toBe(true);
    expect(cut.bytes).toBe(maxMessageBytes);
  });

  test('is cut between characters', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 60 }), (maxBytes) => {
        const whole = createEvent('aé\u20ac\u{1f6a2}'.repeat(20), nowMs);
        const cut = truncateEvent(whole, maxBytes);
        expect(cut.message).not.toContain('\ufffd');
        expect(cut.bytes).toBe(Buffer.byteLength(cut.message));
        expect(cut.bytes).toBeLessThanOrEqual(maxBytes);
        expect(cut.bytes).toBeGreaterThan(maxBytes - 4);
      }),
    );
  });
});

describe('timestamps', () => {
  test('never go back for a small step of the clock, and recover from a large one', () => {
    expect(nextTimestampMs(nowMs, nowMs + 5)).toBe(nowMs + 5);
    expect(nextTimestampMs(nowMs, nowMs - 1_000)).toBe(nowMs);
    expect(nextTimestampMs(nowMs, nowMs - 24 * hourMs)).toBe(nowMs - 24 * hourMs);
  });

  test.each([
    ['read an hour ago', -hourMs, false],
    ['read 13 days ago', -13 * 24 * hourMs, true],
    ['stamped by a clock 3 h ahead', 3 * hourMs, true],
  ])('of a batch %s', (_, offsetMs, moved) => {
    const events = [createEvent('a', nowMs + offsetMs - 5), createEvent('b', nowMs + offsetMs)];
    const stamped = restampEvents(events, nowMs).map(({ timestampMs }) => timestampMs - nowMs);
    expect(stamped).toEqual(moved ? [-5, 0] : [offsetMs - 5, offsetMs]);
  });

  test('of an event that says when it was are never moved', () => {
    const events = [createEvent('a', nowMs - 13 * 24 * hourMs, true)];
    expect(restampEvents(events, nowMs)).toBe(events);
  });
});
