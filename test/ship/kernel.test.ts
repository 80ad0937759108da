// The WebAssembly kernel against what plain strings and JSON.stringify give, byte for byte.
import { readFile } from 'node:fs/promises';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  eventOverheadBytes,
  maxBatchBytes,
  maxBatchEvents,
  maxMessageBytes,
} from '../../src/ship/batch.ts';
import { createKernel, type Added, type Kernel, type Part } from '../../src/ship/kernel.ts';
import { buildKernel, kernelWasmFile } from '../lab/build-kernel.ts';

type Options = Pick<Part, 'join' | 'final'>;

/** Bytes are the characters of a latin1 string. `message` is undefined where a line is skipped. */
type Piece = { readonly message: string | undefined; readonly end: number };

type Body = { readonly json: string[]; bytes: number };

const timestampMs = 1_700_000_000_000;

/** The whole events and skipped lines of the text, and what is certain of the event that is still open. */
function splitPlainly(text: string, { join, final }: Options) {
  const pieces: Piece[] = [];
  let open: string[] | undefined;
  let at = 0;
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    const isLast = index === lines.length - 1;
    if (isLast && line === '') break;
    const continues = join && (/^[\t\f\r ]/.test(line) || line === '');
    if (open !== undefined && !continues) {
      pieces.push({ message: open.join('\n'), end: at });
      open = undefined;
    }
    at += line.length + (isLast ? 0 : 1);
    const message = isLast ? line : line.replace(/\r$/, '');
    if (open === undefined && message === '') {
      pieces.push({ message: undefined, end: at });
    } else if (!join && !isLast) {
      pieces.push({ message, end: at });
    } else {
      open ??= [];
      open.push(message);
    }
  }
  if (open === undefined || !final) return { pieces, open: open?.join('\n').replace(/\r$/, '') };
  return { pieces: [...pieces, { message: open.join('\n'), end: text.length }], open: undefined };
}

function addPlainly(body: Body, text: string, part: Omit<Part, 'start' | 'end'>): Added {
  const { pieces, open = '' } = splitPlainly(text, part);
  let consumed = 0;
  for (const { message, end } of pieces) {
    if (message !== undefined) {
      const size = message.length + eventOverheadBytes;
      if (message.length > maxMessageBytes) return { consumed, why: 'long' };
      if (body.json.length === maxBatchEvents || body.bytes + size > maxBatchBytes) {
        return { consumed, why: 'full' };
      }
      const event = {
        timestamp: part.timestampMs,
        message: Buffer.from(message, 'latin1').toString('utf8'),
      };
      body.json.push(JSON.stringify(event));
      body.bytes += size;
    }
    consumed = end;
  }
  return { consumed, why: open.length > maxMessageBytes ? 'long' : 'end' };
}

/** Adds the text from the start of the input. */
function addText(kernel: Kernel, text: string | Buffer, options: Options): Added {
  const data = Buffer.from(text);
  kernel.input.set(data);
  return kernel.add({ start: 0, end: data.length, timestampMs, ...options });
}

function bodyOf(kernel: Kernel): string {
  return Buffer.from(kernel.body('[', ']')).toString('utf8');
}

function messagesOf(kernel: Kernel): readonly string[] {
  const events = JSON.parse(bodyOf(kernel)) as { readonly message: string }[];
  return events.map(({ message }) => message);
}

describe('add', () => {
  const plain = { join: false, final: false };
  const joined = { join: true, final: false };
  const last = { join: false, final: true };
  const joinedLast = { join: true, final: true };
  // Name, options, text, messages, and what of the text is left.
  test.each([
    ['nothing', plain, '', [], ''],
    ['nothing, the last part', joinedLast, '', [], ''],
    ['two lines', plain, 'a\nb\n', ['a', 'b'], ''],
    ['a line without its newline', plain, 'a\nb', ['a'], 'b'],
    ['a last line without its newline', last, 'a\nb', ['a', 'b'], ''],
    ['one \\r before the newline', plain, 'a\r\nb\r\r\n', ['a', 'b\r'], ''],
    ['\\r elsewhere', plain, '\ra\rb\n', ['\ra\rb'], ''],
    ['\\r at the end of a last line without newline', last, 'a\r', ['a\r'], ''],
    ['\\r that alone is a last line', joinedLast, 'a\r\n\r', ['a\n\r'], ''],
    ['a \\r that ended the line before', plain, 'a\r\n\nb\n', ['a', 'b'], ''],
    ['empty lines', plain, '\n\r\n\na\n\n\r\n', ['a'], ''],
    ['an empty line and the beginning of another', plain, '\nab', [], 'ab'],
    ['a line of a space', plain, ' \n', [' '], ''],
    ['quotes and backslashes', plain, '"\\"\n\\\\"\n', ['"\\"', '\\\\"'], ''],
    ['control bytes', plain, '\0\x01\b\t\v\f\x1b\x1f \x7f\n', ['\0\x01\b\t\v\f\x1b\x1f \x7f'], ''],
    ['UTF-8', plain, 'é€🚢\u2028\ufeff\n', ['é€🚢\u2028\ufeff'], ''],
    ['a stack trace', joined, 'a\n  b\n\tc\nd\n', ['a\n  b\n\tc'], 'd\n'],
    ['a stack trace, the last part', joinedLast, 'a\n  b\n\tc\nd\n', ['a\n  b\n\tc', 'd'], ''],
    ['a line behind which nothing is seen', joined, 'a\n', [], 'a\n'],
    ['a line behind which another begins', joined, 'a\nb', ['a'], 'b'],
    ['a line behind which its own may go on', joined, 'a\nb\n ', ['a'], 'b\n '],
    [
      'what begins a continuation',
      joinedLast,
      'a\n\tb\n\fc\n\rd\n e\n',
      ['a\n\tb\n\fc\n\rd\n e'],
      '',
    ],
    ['what does not', joinedLast, 'a\n\vb\n\0\n\u00a0c\n', ['a', '\vb', '\0', '\u00a0c'], ''],
    ['joined empty lines', joinedLast, 'a\n\n\nb\n', ['a\n\n', 'b'], ''],
    ['joined empty lines at the end', joinedLast, 'a\n\n\n', ['a\n\n'], ''],
    ['joined lines that end in \\r\\n', joinedLast, 'a\r\n b\r\n\r\nc\r\n', ['a\n b\n', 'c'], ''],
    ['a continuation of nothing', joined, ' a\n\tb\nc', [' a\n\tb'], 'c'],
    ['empty lines before all', joined, '\n\r\n a\nb', [' a'], 'b'],
    ['nothing but empty lines', joined, '\n\r\n\n', [], ''],
    ['a continuation without its newline', joinedLast, 'a\n b', ['a\n b'], ''],
  ] as const)('%s', (_, options, text, messages, rest) => {
    const kernel = createKernel();
    const consumed = Buffer.byteLength(text) - Buffer.byteLength(rest);
    expect(addText(kernel, text, options)).toEqual({ consumed, why: 'end' });
    expect(messagesOf(kernel)).toEqual(messages);
    expect(bodyOf(kernel)).toBe(
      JSON.stringify(messages.map((message) => ({ timestamp: timestampMs, message }))),
    );
    expect(kernel.events).toBe(messages.length);
    expect(kernel.bytes).toBe(Buffer.byteLength(messages.join('')) + 26 * messages.length);
  });

  test.each([...Array(36).keys()])('each special byte at %d, before and behind', (before) => {
    const kernel = createKernel();
    const specials = [
      '"',
      '\\',
      '\r',
      ...Array.from({ length: 10 }, (_, n) => String.fromCharCode(n)),
    ];
    const messages = specials.map((special) => `${'x'.repeat(before)}${special}yz`);
    addText(kernel, `${messages.join('\n')}\n`, plain);
    expect(messagesOf(kernel)).toEqual(messages);
  });

  test('a part in the middle of the input, which it does not look beyond', () => {
    const kernel = createKernel();
    kernel.input.set(Buffer.from('x\nab\ny"\n'));
    const part = { start: 2, end: 5, timestampMs, final: false };
    expect(kernel.add({ ...part, join: true })).toEqual({ consumed: 2, why: 'end' });
    expect(kernel.add({ ...part, join: false })).toEqual({ consumed: 5, why: 'end' });
    expect(messagesOf(kernel)).toEqual(['ab']);
  });

  test('a \\r before the part is none of it', () => {
    const kernel = createKernel();
    kernel.input.set(Buffer.from('\r\na\n'));
    const part = { start: 1, end: 4, timestampMs, ...plain };
    expect(kernel.add(part)).toEqual({ consumed: 4, why: 'end' });
    expect(messagesOf(kernel)).toEqual(['a']);
  });

  test('the input takes the longest message and 64 KiB', () => {
    expect(createKernel().input).toHaveLength(1_048_576 + 65_536);
  });

  test('each part has its own timestamp', () => {
    const kernel = createKernel();
    const timestamps = [0, 7, timestampMs, Number.MAX_SAFE_INTEGER, 10, 10];
    kernel.input.set(Buffer.from('a\nb\n'));
    for (const timestampMs of timestamps) {
      kernel.add({ start: 0, end: 4, timestampMs, ...plain });
    }
    const events = timestamps.flatMap((timestamp) => [
      { timestamp, message: 'a' },
      { timestamp, message: 'b' },
    ]);
    expect(bodyOf(kernel)).toBe(JSON.stringify(events));
  });

  test.each([
    { start: 1, end: 0 },
    { start: -1, end: 0 },
    { end: 1024 * 1088 + 1 },
    { end: Number.NaN },
    { timestampMs: -1 },
    { timestampMs: 0.5 },
    { timestampMs: 2 ** 53 },
  ])('%o is refused', (bad) => {
    const part = { start: 0, end: 0, timestampMs, join: false, final: false };
    expect(() => createKernel().add({ ...part, ...bad })).toThrow(RangeError);
  });
});

function lines(count: number, length: number): string {
  return `${'x'.repeat(length)}\n`.repeat(count);
}

describe('limits', () => {
  const options = { join: false, final: false };

  test('10,000 events are full, and empty lines behind them are consumed', () => {
    const kernel = createKernel();
    expect(addText(kernel, lines(10_000, 1), options)).toEqual({ consumed: 20_000, why: 'end' });
    expect(addText(kernel, '\n\r\na', options)).toEqual({ consumed: 3, why: 'end' });
    expect(addText(kernel, '\na\n', options)).toEqual({ consumed: 1, why: 'full' });
    expect(kernel.events).toBe(10_000);
    expect(bodyOf(kernel)).toHaveLength(10_000 * 42 + 1);
  });

  test('1,048,576 bytes are full', () => {
    const kernel = createKernel();
    // 1023 times 1024 bytes, and an event that takes the rest.
    expect(addText(kernel, lines(1023, 998), options).why).toBe('end');
    expect(addText(kernel, lines(1, 999), options)).toEqual({ consumed: 0, why: 'full' });
    expect(addText(kernel, lines(1, 998), options)).toEqual({ consumed: 999, why: 'end' });
    expect(kernel.bytes).toBe(1_048_576);
    expect(addText(kernel, 'a\n', options)).toEqual({ consumed: 0, why: 'full' });
    expect(messagesOf(kernel)).toHaveLength(1024);
    kernel.reset();
    expect(addText(kernel, 'a\n', options)).toEqual({ consumed: 2, why: 'end' });
    expect([kernel.events, kernel.bytes, messagesOf(kernel)]).toEqual([1, 27, ['a']]);
  });

  test.each(['x', '"', '\n ', '\0', 'é', '🚢'])('the longest message, of %j', (unit) => {
    const kernel = createKernel();
    const count = Math.floor((maxMessageBytes - 4) / Buffer.byteLength(unit));
    const most = `x${unit.repeat(count)}`;
    const message = most + 'x'.repeat(maxMessageBytes - Buffer.byteLength(most));
    expect(addText(kernel, `${message}\r\ny`, { join: true, final: false })).toEqual({
      consumed: Buffer.byteLength(message) + 2,
      why: 'end',
    });
    expect(kernel.bytes).toBe(Buffer.byteLength(message) + 26);
    expect(bodyOf(kernel) === JSON.stringify([{ timestamp: timestampMs, message }])).toBe(true);
  });

  test.each([
    ['its newline', '\n', 'long'],
    ['nothing', '', 'long'],
    ['a \\r that may not count', '\r', 'long'],
  ] as const)('a message one byte too long, and behind it %s', (_, behind, why) => {
    const kernel = createKernel();
    const text = `a\n${'x'.repeat(maxMessageBytes + 1)}${behind}`;
    expect(addText(kernel, text, options)).toEqual({ consumed: 2, why });
    expect(messagesOf(kernel)).toEqual(['a']);
  });

  test.each([
    ['a \\r', '\r', false],
    ['a newline', '\n', true],
    ['both', '\r\n', true],
  ] as const)('a message as long as may be, open, and behind it %s', (_, behind, join) => {
    const text = `a\n${'x'.repeat(maxMessageBytes)}${behind}`;
    const added = addText(createKernel(), text, { join, final: false });
    expect(added).toEqual({ consumed: 2, why: 'end' });
  });

  test('escapes of a message that fits nowhere spoil neither the input nor the events before it', () => {
    const kernel = createKernel();
    const { input } = kernel;
    // Escapes beyond the end of the output, and then what needs none.
    input.fill(0);
    input.fill(0x78, 1_050_000);
    input.set(Buffer.from('a\n'));
    input.set(Buffer.from('\nb\n'), input.length - 3);
    const part = { end: input.length, timestampMs, ...options };
    expect(kernel.add({ ...part, start: 0 })).toEqual({ consumed: 2, why: 'long' });
    expect(kernel.add({ ...part, start: input.length - 2 }).consumed).toBe(input.length);
    expect(input.subarray(2, 1_050_000).every((byte) => byte === 0)).toBe(true);
    expect(messagesOf(kernel)).toEqual(['a', 'b']);
  });

  test('a part says nothing of the one before it', () => {
    const kernel = createKernel();
    addText(kernel, lines(10_001, 1), options);
    expect(addText(kernel, 'a', options)).toEqual({ consumed: 0, why: 'end' });
  });

  test('an event that alone fills the input is long', () => {
    const kernel = createKernel();
    const text = 'a\r\n'.padEnd(kernel.input.length, '\r\n');
    const added = addText(kernel, text, { join: true, final: false });
    expect(added).toEqual({ consumed: 0, why: 'long' });
  });
});

describe('body', () => {
  test('is empty but for what is put around it', () => {
    expect(Buffer.from(createKernel().body('{"é":[', ']}')).toString()).toBe('{"é":[]}');
  });

  test('has room for 16 KiB on both sides of a full batch', () => {
    const kernel = createKernel();
    const message = '\0'.repeat(maxMessageBytes);
    kernel.input.fill(0xff);
    addText(kernel, `${message}\n`, { join: false, final: false });
    const [prefix, suffix] = ['<'.repeat(16_384), '>'.repeat(16_384)];
    const body = Buffer.from(kernel.body(prefix, suffix));
    const json = JSON.stringify({ timestamp: timestampMs, message });
    expect(body.equals(Buffer.from(prefix + json + suffix))).toBe(true);
    expect(kernel.input[0]).toBe(0);
    expect(kernel.input.at(-1)).toBe(0xff);
    // The tables before it are whole.
    addText(kernel, `${message}\n`, { join: false, final: false });
    expect(Buffer.from(kernel.body('', '')).equals(Buffer.from(json))).toBe(true);
    expect(() => kernel.body('é'.repeat(8193), '')).toThrow(RangeError);
    expect(() => kernel.body('', `${suffix}>`)).toThrow(RangeError);
  });

  test('can be had again, and the batch goes on', () => {
    const kernel = createKernel();
    addText(kernel, 'a\n', { join: false, final: false });
    kernel.body('prefix', 'suffix');
    addText(kernel, 'b\n', { join: false, final: false });
    expect(messagesOf(kernel)).toEqual(['a', 'b']);
    expect(messagesOf(kernel)).toEqual(['a', 'b']);
  });
});

/** Pieces of a file arrive, and what is not consumed moves to the front, as in a tailer. Gives what is left in the end. */
function compare(text: string, sizes: readonly number[], join: boolean): number {
  const kernel = createKernel();
  const file = Buffer.from(text);
  let body: Body = { json: [], bytes: 0 };
  let held = 0;
  let turn = 0;
  const send = (): void => {
    const events = Buffer.from(kernel.body('[', ']'));
    expect(events.equals(Buffer.from(`[${body.json.join(',')}]`))).toBe(true);
    kernel.reset();
    body = { json: [], bytes: 0 };
  };
  for (let read = 0; read < file.length || held > 0; turn++) {
    const size = Math.min(sizes[turn % sizes.length]!, kernel.input.length - held);
    kernel.input.set(file.subarray(read, read + size), held);
    const end = Math.min(held + size, held + file.length - read);
    read += end - held;
    const options = { join, final: read === file.length, timestampMs: 10 ** (turn % 16) };
    let start = 0;
    for (let more = true; more;) {
      const rest = Buffer.from(kernel.input.subarray(start, end)).toString('latin1');
      const expected = addPlainly(body, rest, options);
      const added = kernel.add({ start, end, ...options });
      const stuck = start === 0 && end === kernel.input.length && expected.consumed === 0;
      const why = stuck && expected.why === 'end' ? 'long' : expected.why;
      expect(added).toEqual({ consumed: start + expected.consumed, why });
      expect([kernel.events, kernel.bytes]).toEqual([body.json.length, body.bytes]);
      start = added.consumed;
      more = why !== 'end';
      if (more) send();
      // The ordinary path would take this event; here what is there of the file is left out, in whole characters.
      if (why !== 'long') continue;
      start = end;
      while ((file[read]! & 0xc0) === 0x80) read++;
    }
    kernel.input.copyWithin(0, start, end);
    held = end - start;
  }
  send();
  return held;
}

function sizes(max: number) {
  return fc.array(fc.integer({ min: 1, max }), { minLength: 1 });
}

describe('any log', () => {
  const unit = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('a', 'word', 'é', '€', '🚢', '\u2028', '\x7f') },
    { weight: 3, arbitrary: fc.constantFrom('"', '\\', '\r', '\t', '\n', '\r\n', '\n ', '\n\n') },
    { weight: 1, arbitrary: fc.nat({ max: 0x1f }).map((code) => String.fromCharCode(code)) },
  );
  const words = fc.array(unit, { maxLength: 60 }).map((units) => units.join(''));
  const line = fc
    .tuple(fc.constantFrom('', '', ' ', '\t', '\f', '\v'), words, fc.constantFrom('\n', '\r\n'))
    .map((parts) => parts.join(''));
  // Repeated only within the property, so that a failure prints no megabytes. Few of many lines: the reference reads what
  // is left anew for each batch.
  const many = fc.record({
    text: line,
    bytes: fc.integer({ min: 1, max: 200_000 }),
    end: fc.constant(''),
  });
  const endless = fc.record({
    text: fc.constantFrom('a', 'é', '🚢', '"', '\\', '\r', '\t', '\0'),
    bytes: fc.integer({ min: maxMessageBytes - 3, max: maxMessageBytes + 3 }),
    end: line,
  });

  test('gives the bytes of JSON.stringify', () => {
    const text = fc.array(line, { maxLength: 12 }).map((lines) => lines.join(''));
    fc.assert(
      fc.property(fc.tuple(text, words), sizes(200), fc.boolean(), ([lines, rest], sizes, join) => {
        expect(compare(lines + rest, sizes, join)).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  test('fills batches to their limits', () => {
    const text = fc.array(fc.oneof(many, endless), { maxLength: 5 });
    fc.assert(
      fc.property(text, sizes(1_114_112), fc.boolean(), (repeated, sizes, join) => {
        const text = repeated.map(
          ({ text, bytes, end }) => text.repeat(bytes / Buffer.byteLength(text)) + end,
        );
        // Reading by the byte would take minutes.
        const most = sizes.map((size) => Math.max(size, 60_000));
        expect(compare(text.join(''), most, join)).toBe(0);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  });
});

test('kernel-wasm.ts is what kernel-assembly.ts compiles to', async () => {
  expect(await readFile(kernelWasmFile, 'utf8')).toBe(await buildKernel());
});
