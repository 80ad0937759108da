// The lines of `npm run soak`: each tells its writer and number, and the rest follows from these two, so that whoever
// reads it knows whether it is whole.

export const lineKinds = ['plain', 'trace', 'dated', 'poison'] as const;
export type LineKind = (typeof lineKinds)[number];

export type ParsedLine = {
  readonly writer: string;
  readonly seq: number;
  /** Every byte is as it was written. */
  readonly intact: boolean;
  /** As the text says it; undefined: it says none. */
  readonly timestampMs: number | undefined;
};

/** In a message: CloudWatch refuses it alone, for good. */
export const poisonMark = 'POISON';
/** Of a `dated` line; the configuration of the soak has the same for berth. */
export const timestampFormat = '%Y-%m-%dT%H:%M:%S';

const words = [
  'plain text',
  '"quoted"',
  String.raw`C:\path\to`,
  'tab\there',
  'é€🚢',
  '{"a":[1,2]}',
  '\u0001\u001f',
  'customer',
  'order',
  'took 17 ms',
  'x'.repeat(97),
];
/** So many lines are one event of `trace`, the first of them alone at the margin. */
const maxFrames = 12;
/** Of a `poison` writer each so many. */
const poisonEvery = 40;

/** One event as it stands in the file, without its last newline. `name` of the writer: `KIND-ANYTHING`. */
export function lineOf(writer: string, seq: number, atMs: number): string {
  const body = bodyOf(writer, seq);
  if (kindOf(writer) !== 'dated') return body;
  return `${new Date(atMs).toISOString().slice(0, 19)} ${body}`;
}

/** undefined: nobody wrote that. */
export function parseLine(message: string): ParsedLine | undefined {
  const dated = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d) (?=dated-)/.exec(message);
  const body = message.slice(dated?.[0].length ?? 0);
  const found = /^(\S+) (\d+) /.exec(body);
  if (found === null) return undefined;
  const writer = found[1]!;
  const seq = Number(found[2]);
  if (!(lineKinds as readonly string[]).includes(kindOf(writer))) return undefined;
  const timestampMs = dated === null ? undefined : Date.parse(`${dated[1]}Z`);
  return { writer, seq, intact: body === bodyOf(writer, seq), timestampMs };
}

function kindOf(writer: string): string {
  return writer.split('-', 1)[0]!;
}

function bodyOf(writer: string, seq: number): string {
  const next = createNumbers(writer, seq);
  const kind = kindOf(writer);
  const mark = kind === 'poison' && seq % poisonEvery === poisonEvery - 1 ? `${poisonMark} ` : '';
  let text = `${writer} ${seq} ${mark}`;
  for (let left = 1 + next(8); left > 0; left--) text += `${words[next(words.length)]!} `;
  text += 'end';
  if (kind !== 'trace' || seq % 5 !== 0) return text;
  for (let frame = next(maxFrames); frame > 0; frame--) {
    text += `\n  at ${words[next(words.length)]!} (frame ${frame})`;
  }
  return text;
}

/** xorshift32, of a seed made of both. */
function createNumbers(writer: string, seq: number): (below: number) => number {
  let state = Math.imul(seq + 1, 0x9e3779b1) >>> 0;
  for (let i = 0; i < writer.length; i++) {
    state = Math.imul(state ^ writer.charCodeAt(i), 0x01000193) >>> 0;
  }
  state ||= 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
