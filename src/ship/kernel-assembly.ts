// The inner loop of kernel.ts, in AssemblyScript: from the bytes of a log file to the JSON of its events.
// `npm run build:kernel` compiles it into kernel-wasm.ts. It lays the memory out, and kernel.ts fills its tables.

const MAX_EVENTS: u32 = 10_000;
const MAX_BYTES: usize = 1_048_576;
/** CloudWatch counts so many for each event beside its message. */
const OVERHEAD: usize = 26;

/** For each byte below 0x60 8 bytes: how JSON writes it (2 or 6 of them, if not as itself), and last their count. */
export const ESCAPES: usize = 0;
/** `"},{"timestamp":T,"message":"`, which ends an event and begins the next; at most 44 bytes. */
export const SEPARATOR: usize = ESCAPES + 0x60 * 8;
/** Three bytes that each block is compared with. */
const NEEDLES: usize = SEPARATOR + 56;
/** Events begin here. The prefix of a body goes before them. */
export const OUTPUT: usize = SEPARATOR + 64 + 16 * 1024;
/** The JSON of a full batch fits: a byte becomes 6 at most, and 6 times the overhead is more than a separator. */
const OUTPUT_END: usize = OUTPUT + 6 * MAX_BYTES;
/** Before it is room for what the last block can become, and for the suffix of a body. */
export const INPUT: usize = OUTPUT_END + 512 + 16 * 1024;
export const INPUT_BYTES: usize = (1024 + 64) * 1024;

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const NEWLINE: u8 = 0x0a;
const CARRIAGE_RETURN: u8 = 0x0d;
const LAST_CONTROL: u8 = 0x1f;

// Once, before anybody has a view on it. Blocks are read whole, and so up to 32 bytes behind the end.
memory.grow(<i32>((INPUT + INPUT_BYTES + 32) >> 16) + 1);

// Read from memory they stay in registers; V8 builds a constant anew for each block, which costs a fifth of the speed.
store<u8>(NEEDLES, QUOTE);
store<u8>(NEEDLES + 1, BACKSLASH);
store<u8>(NEEDLES + 2, LAST_CONTROL);

const END: u32 = 0;
const FULL: u32 = 1;
const LONG: u32 = 2;

export let events: u32 = 0;
export let bytes: usize = 0;
/** Behind the last event. */
export let out: usize = OUTPUT;
/** How the last `add` ended. */
export let why: u32 = END;

export function reset(): void {
  events = 0;
  bytes = 0;
  out = OUTPUT;
}

/** Appends the events of [start, end), and answers with the address behind the last whole one. */
export function add(
  start: usize,
  end: usize,
  separatorBytes: usize,
  join: bool,
  final: bool,
): usize {
  const quotes = v128.load_splat<u8>(NEEDLES);
  const backslashes = v128.load_splat<u8>(NEEDLES + 1);
  const lastControls = v128.load_splat<u8>(NEEDLES + 2);

  let event = start; // The open event begins here,
  let line = start; // its last line here,
  let cut: usize = 0; // and so many of its \r do not count.
  let o = out + separatorBytes;
  // The last event has its end already, and the first needs no comma.
  const written: usize = events > 0 ? 2 : 3;
  copySeparator(out, written);
  o -= written;

  for (let i = start; i < end; i += 16) {
    // An event that passes the end of the output fits into no batch: it is only read to its end.
    if (o > OUTPUT_END) o = OUTPUT_END;
    const mostClean = min(end, i + (OUTPUT_END - o));
    let special: i32;
    for (;;) {
      const block = v128.load(i);
      special = i8x16.bitmask(
        v128.or(
          v128.or(i8x16.eq(block, quotes), i8x16.eq(block, backslashes)),
          i8x16.eq(i8x16.min_u(block, lastControls), block),
        ),
      );
      if (special !== 0 || i + 16 > mostClean) break;
      v128.store(o, block);
      i += 16;
      o += 16;
    }
    // What is left of the block beyond the end is no part of it.
    let size: usize = 16;
    if (end - i < 16) {
      size = end - i;
      special &= (1 << (<i32>size)) - 1;
    }
    let done: usize = 0;
    for (; special !== 0; special &= special - 1) {
      const at = <usize>ctz(special);
      v128.store(o, v128.load(i + done));
      o += at - done;
      done = at + 1;

      const here = i + at;
      const byte = load<u8>(here);
      if (byte === NEWLINE) {
        if (here > line && load<u8>(here - 1) === CARRIAGE_RETURN) {
          o -= 2; // Its escape, which is already there.
          cut += 1;
        }
        line = here + 1;
        const length = here - event - cut;
        if (length === 0) {
          event = line;
          cut = 0;
          continue;
        }
        // Otherwise the newline is one of the message, or the last byte of a part that does not tell.
        if (!join || (line === end ? final : !isSpace(load<u8>(line)))) {
          why = close(length, o);
          if (why !== END) return event;
          event = line;
          cut = 0;
          copySeparator(o, 0);
          o += separatorBytes;
          continue;
        }
      }
      const escape = load<u64>(ESCAPES + ((<usize>byte) << 3));
      store<u64>(o, escape);
      o += <usize>(escape >> 56);
    }
    v128.store(o, v128.load(i + done));
    o += size - done;
  }

  why = END;
  if (event === end) return event;
  const length = end - event - cut;
  if (final) {
    why = close(length, o);
    return why === END ? end : event;
  }
  // A \r may still turn out to be the end of a line, and the end of a line to be the end of the event.
  const last = load<u8>(end - 1);
  const open: usize = last === NEWLINE || last === CARRIAGE_RETURN ? 1 : 0;
  if (length - open > MAX_BYTES - OVERHEAD) why = LONG;
  return event;
}

/** Makes the event that ends at `o` part of the body, if it fits. */
function close(length: usize, o: usize): u32 {
  if (length > MAX_BYTES - OVERHEAD) return LONG;
  const total = bytes + length + OVERHEAD;
  if (events === MAX_EVENTS || total > MAX_BYTES) return FULL;
  events += 1;
  bytes = total;
  // As the separator does; but for the last event nothing else writes it.
  store<u16>(o, 0x7d22); // "}
  out = o + 2;
  return END;
}

function copySeparator(to: usize, from: usize): void {
  const separator = SEPARATOR + from;
  v128.store(to, v128.load(separator));
  v128.store(to + 16, v128.load(separator, 16));
  v128.store(to + 32, v128.load(separator, 32));
}

/** What begins a line that continues the event before it: the \s of Go. */
function isSpace(byte: u8): bool {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d && byte !== 0x0b);
}
