// The fast path of one file: its bytes become the body of a request in WebAssembly, and no line is ever a string.
import { isUtf8 } from 'node:buffer';
import { unindented } from '../system/patterns.ts';
import { createEvent, isTimely, nextTimestampMs, type LogEvent } from './batch.ts';
import { floorOf, type Followed, type Taken } from './followed.ts';
import { createKernel, type Kernel } from './kernel.ts';

/** A batch that was made of one file; it holds a kernel until it is disposed of. */
export type Bulk = Disposable & {
  readonly taken: Taken;
  readonly events: number;
  /** The body of PutLogEvents. */
  body(prefix: string, suffix: string): Uint8Array;
  /** The same events one by one, to be sent the ordinary way. */
  decode(): readonly LogEvent[];
};

export type BulkInput = {
  readonly file: Followed;
  readonly nowMs: number;
  /** The time by CloudWatch's clock. */
  readonly theirMs: number;
};

export type Bulks = {
  /** A kernel is free, and nobody waits for it. */
  readonly hasRoom: boolean;
  /** undefined: the ordinary path has to look at what comes next in the file. Throws `disk`. Waits for a free kernel. */
  read(input: BulkInput): Promise<Bulk | undefined>;
};

/** As many batches are under way at once, whatever the number of files and targets; each kernel takes 2 MiB. */
export const maxKernels = 4;
const newline = 0x0a;

/** Can the events of a source be made without looking at them? */
export function isPlain({ source }: Followed): boolean {
  const { encoding, startPattern, timestamp, json, filters } = source;
  const isUtf = ['utf-8', 'utf8', 'ascii'].includes(encoding.toLowerCase());
  const joins = startPattern === undefined || startPattern === unindented;
  const isText = timestamp === undefined && json === undefined && filters.length === 0;
  return isUtf && joins && isText;
}

export function createBulks(): Bulks {
  const free: Kernel[] = [];
  const waiting: ((kernel: Kernel) => void)[] = [];
  let made = 0;

  const acquire = async (): Promise<Kernel> => {
    const kernel = free.pop();
    if (kernel !== undefined) return kernel;
    if (made < maxKernels) {
      made++;
      return createKernel();
    }
    return await new Promise((resolve) => waiting.push(resolve));
  };
  const release = (kernel: Kernel): void => {
    const next = waiting.shift();
    if (next === undefined) free.push(kernel);
    else next(kernel);
  };

  return {
    get hasRoom() {
      return free.length > 0 || made < maxKernels;
    },
    read: async (input) => {
      const kernel = await acquire();
      let bulk: Bulk | undefined;
      try {
        const taken = await fill(kernel, input);
        bulk = taken && {
          taken,
          events: kernel.events,
          body: (prefix, suffix) => kernel.body(prefix, suffix),
          decode: () => decode(kernel),
          [Symbol.dispose]: () => release(kernel),
        };
        return bulk;
      } finally {
        if (bulk === undefined) release(kernel);
      }
    },
  };
}

/** The events that are in the kernel now; undefined: there are none. */
async function fill(
  kernel: Kernel,
  { file, nowMs, theirMs }: BulkInput,
): Promise<Taken | undefined> {
  const { tail, marks, source } = file;
  kernel.reset();
  const { offset } = tail.position;
  const length = await tail.readInto((bytes) => kernel.inputBehind(bytes));
  if (length === 0) return undefined;
  const data = kernel.input.subarray(0, length);
  if (!isUtf8(data.subarray(0, data.lastIndexOf(newline) + 1))) return undefined;
  const join = source.startPattern !== undefined;
  const floorMs = floorOf(file, 'takenMs');
  let start = 0;
  let lastMs = 0;
  while (start < length) {
    const end = Math.min(length, marks.endOf(offset + start) - offset);
    const timestampMs = nextTimestampMs(floorMs, marks.timeOf(offset + start, nowMs));
    // The clock was set back, or its events have waited too long: those go by themselves, or the ordinary way.
    if (timestampMs < lastMs || !isTimely(timestampMs, theirMs)) break;
    lastMs = timestampMs;
    const { consumed, why } = kernel.add({ start, end, timestampMs, join, final: false });
    if (why !== 'end' || end === length) {
      start = consumed;
      break;
    }
    // What is not whole yet has the time at which its end was seen.
    if (consumed > start) start = consumed;
    else marks.merge(offset + end);
  }
  return kernel.events === 0 ? undefined : file.take(offset + start, lastMs);
}

function decode(kernel: Kernel): readonly LogEvent[] {
  const text = Buffer.from(kernel.body('[', ']')).toString('utf8');
  const events = JSON.parse(text) as { readonly timestamp: number; readonly message: string }[];
  return events.map(({ timestamp, message }) => createEvent(message, timestamp));
}
