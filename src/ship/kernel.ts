// The fast path from the bytes of a log file to the events of a PutLogEvents request, as JSON.stringify would write them.
// kernel-assembly.ts does the work in WebAssembly: 16 bytes at a time, and without a string for each line.
import { kernelWasm } from './kernel-wasm.ts';

export type Kernel = {
  /**
   * Raw bytes of the file go here, from index 0: a view on the WebAssembly memory, which never grows. 1 MiB + 64 KiB long,
   * so that the longest message fits.
   */
  readonly input: Uint8Array;
  /** The same memory, with so many bytes in front of it, which `body` may write over: at most 16 KiB. */
  inputBehind(bytes: number): Uint8Array;
  /** Events in the body so far, and their size as CloudWatch counts it: bytes of UTF-8 + 26 each. */
  readonly events: number;
  readonly bytes: number;
  /** Empties the body. */
  reset(): void;
  /** Appends the events that begin in a part of the input, which has to be UTF-8: all those that are whole and fit. */
  add(part: Part): Added;
  /**
   * `prefix` + events with commas between them + `suffix`, without a copy of the events: a view on the memory, valid until
   * the next call of `add`, `body` or `reset`. RangeError if one of the two is longer than 16 KiB in UTF-8.
   */
  body(prefix: string, suffix: string): Uint8Array;
};

/** RangeError if it is not within the input, or if the timestamp is no integer from 0 to 2^53 - 1. */
export type Part = {
  /** input[start, end) */
  readonly start: number;
  readonly end: number;
  readonly timestampMs: number;
  /**
   * False: each line is an event. True: a line that begins with whitespace (\t \n \f \r or space, so also an empty one)
   * continues the event before it, as with the CloudWatch agent's default pattern. An event is whole only once the line
   * behind it has begun within the part.
   *
   * In both a line ends at \n, less one \r before that, and no event is empty.
   */
  readonly join: boolean;
  /** Nothing follows: the end of the part ends the last event too, which may lack its newline. */
  readonly final: boolean;
};

export type Added = {
  /** Index behind the last event that was appended, and behind empty lines after it that were skipped: go on there. */
  readonly consumed: number;
  /**
   * end: nothing more is whole. full: the next event would pass 10,000 events or 1,048,576 bytes. long: the message of the
   * next event, whole or not, is longer than 1,048,550 bytes, or it alone fills the input: it needs the ordinary path.
   */
  readonly why: 'end' | 'full' | 'long';
};

/** As far as it is used here: TypeScript has the types of WebAssembly only beside those of a browser. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Exports };
};

/** What kernel-assembly.ts exports. Sizes are in bytes, the others addresses. */
type Exports = {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly ESCAPES: Global;
  readonly SEPARATOR: Global;
  readonly OUTPUT: Global;
  readonly INPUT: Global;
  readonly INPUT_BYTES: Global;
  readonly events: Global;
  readonly bytes: Global;
  readonly out: Global;
  readonly why: Global;
  readonly reset: () => void;
  readonly add: (
    start: number,
    end: number,
    separatorBytes: number,
    join: boolean,
    final: boolean,
  ) => number;
};

type Global = { readonly value: number };

/** By their numbers in kernel-assembly.ts. */
const reasons = ['end', 'full', 'long'] as const;
const maxAffixBytes = 16 * 1024;

let compiled: object | undefined;

/** Takes 7 MiB of address space, of which ordinary logs touch 2. */
export function createKernel(): Kernel {
  compiled ??= new WebAssembly.Module(Buffer.from(kernelWasm, 'base64'));
  const wasm = new WebAssembly.Instance(compiled).exports;
  const memory = Buffer.from(wasm.memory.buffer);
  const inputAt = wasm.INPUT.value;
  const inputBytes = wasm.INPUT_BYTES.value;
  const outputAt = wasm.OUTPUT.value;
  writeEscapes(memory.subarray(wasm.ESCAPES.value));
  let separatorMs = Number.NaN;
  let separatorBytes = 0;

  return {
    input: new Uint8Array(wasm.memory.buffer, inputAt, inputBytes),
    inputBehind: (bytes) => new Uint8Array(wasm.memory.buffer, inputAt - bytes, bytes + inputBytes),
    get events() {
      return wasm.events.value;
    },
    get bytes() {
      return wasm.bytes.value;
    },
    reset() {
      wasm.reset();
    },
    add({ start, end, timestampMs, join, final }) {
      if (!(start >= 0 && start <= end && end <= inputBytes)) {
        throw new RangeError(`cannot add [${start}, ${end}) of ${inputBytes} bytes`);
      }
      if (timestampMs !== separatorMs) {
        if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
          throw new RangeError(`cannot write ${timestampMs} as a timestamp`);
        }
        const separator = `"},{"timestamp":${timestampMs},"message":"`;
        separatorBytes = memory.write(separator, wasm.SEPARATOR.value, 'latin1');
        separatorMs = timestampMs;
      }
      const behind = wasm.add(inputAt + start, inputAt + end, separatorBytes, join, final);
      const consumed = behind - inputAt;
      // An event of which many bytes do not count (\r) would wait for more input for ever.
      const stuck = consumed === 0 && end === inputBytes;
      const why = reasons[wasm.why.value]!;
      return { consumed, why: stuck && why === 'end' ? 'long' : why };
    },
    body(prefix, suffix) {
      const prefixBytes = Buffer.byteLength(prefix);
      if (Math.max(prefixBytes, Buffer.byteLength(suffix)) > maxAffixBytes) {
        throw new RangeError(`cannot put more than ${maxAffixBytes} bytes around the events`);
      }
      const start = outputAt - prefixBytes;
      const end = wasm.out.value;
      memory.write(prefix, start);
      return memory.subarray(start, end + memory.write(suffix, end));
    },
  };
}

/** 8 bytes each: the escape, and last its length. A byte that needs none is not looked up. */
function writeEscapes(table: Buffer): void {
  for (let byte = 0; byte < 0x60; byte++) {
    const escape = JSON.stringify(String.fromCharCode(byte)).slice(1, -1);
    table.writeUInt8(table.write(escape, byte * 8, 'latin1'), byte * 8 + 7);
  }
}
