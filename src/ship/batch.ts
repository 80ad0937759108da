// The rules of PutLogEvents as pure functions: what an event may be, and what fits into one batch (reference/logs.md section 1).

export type LogEvent = {
  readonly timestampMs: number;
  /** 1 to `maxMessageBytes` bytes of UTF-8. */
  readonly message: string;
  /** Length of the message in UTF-8, as CloudWatch counts it. */
  readonly bytes: number;
  /** The event itself says when it was: its time is never moved. */
  readonly dated: boolean;
};

/** In the order of the file; `inOrder` gives that of CloudWatch. */
export type Batch = { readonly events: LogEvent[]; bytes: number; firstMs: number; lastMs: number };

export const maxBatchBytes = 1_048_576;
export const eventOverheadBytes = 26;
export const maxBatchEvents = 10_000;
export const maxSpanMs = 24 * 3_600_000;
/** An event alone has to fit into a batch. */
export const maxMessageBytes = maxBatchBytes - eventOverheadBytes;

/** The end of a message that was cut; it counts into the limit. CloudWatch agent's wording. */
export const truncationMark = '[Truncated...]';

/** A clock that was set back by less does not disturb the order; by more, and time starts afresh. */
const maxClockStepMs = 5 * 60_000;
/** Half of the shortest retention, beyond which CloudWatch refuses an event. */
const maxWaitMs = 12 * 3_600_000;
/** Half of what CloudWatch takes. */
const maxAheadMs = 3_600_000;

export function createEvent(message: string, timestampMs: number, dated = false): LogEvent {
  const bytes = Buffer.byteLength(message);
  const event = { timestampMs, message, bytes, dated };
  return bytes > maxMessageBytes ? truncateEvent(event, maxMessageBytes) : event;
}

/** Cuts between characters, so that with its mark the message has at most `maxBytes`. */
export function truncateEvent(event: LogEvent, maxBytes: number): LogEvent {
  const whole = Buffer.from(event.message);
  let end = maxBytes - truncationMark.length;
  while ((whole[end]! & 0xc0) === 0x80) end--;
  const message = whole.toString('utf8', 0, end) + truncationMark;
  return { ...event, message, bytes: end + truncationMark.length };
}

export function createBatch(): Batch {
  return { events: [], bytes: 0, firstMs: Infinity, lastMs: -Infinity };
}

/** Adds the event, or says that it has to go into the next batch. */
export function addEvent(batch: Batch, event: LogEvent): boolean {
  const size = event.bytes + eventOverheadBytes;
  const firstMs = Math.min(batch.firstMs, event.timestampMs);
  const lastMs = Math.max(batch.lastMs, event.timestampMs);
  if (batch.events.length > 0) {
    if (batch.events.length >= maxBatchEvents) return false;
    if (batch.bytes + size > maxBatchBytes) return false;
    if (lastMs - firstMs > maxSpanMs) return false;
  }
  batch.events.push(event);
  batch.bytes += size;
  batch.firstMs = firstMs;
  batch.lastMs = lastMs;
  return true;
}

/** Chronological, as PutLogEvents wants it; what happened together stays in the order of the file. */
export function inOrder({ events }: Batch): readonly LogEvent[] {
  return events.toSorted((a, b) => a.timestampMs - b.timestampMs);
}

/** The timestamp for a line read now: never before the one of the line before it, unless the clock was far ahead. */
export function nextTimestampMs(lastMs: number, nowMs: number): number {
  return lastMs - nowMs > maxClockStepMs ? nowMs : Math.max(lastMs, nowMs);
}

/**
 * Moves all events together so that the last happens now, if CloudWatch would soon refuse them: after a very long outage,
 * or since the clock was wrong when they were read. These timestamps are times of reading, so this invents nothing.
 */
export function restampEvents(events: readonly LogEvent[], nowMs: number): readonly LogEvent[] {
  const lastMs = events.at(-1)?.timestampMs ?? nowMs;
  if (isTimely(lastMs, nowMs) || events.some(({ dated }) => dated)) return events;
  const shiftMs = nowMs - lastMs;
  return events.map((event) => ({ ...event, timestampMs: event.timestampMs + shiftMs }));
}

/** Will CloudWatch take it for some hours yet? */
export function isTimely(timestampMs: number, nowMs: number): boolean {
  return timestampMs >= nowMs - maxWaitMs && timestampMs <= nowMs + maxAheadMs;
}
