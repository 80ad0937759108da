// Bytes into lines: by newline, without `\r`, as UTF-8 with U+FFFD for what is none.

/** `end`: index behind the newline. The message of an empty line is ''. */
export type Line = { readonly message: string; readonly end: number };

const newline = 0x0a;
const carriageReturn = 0x0d;

/** The complete lines of `data`. */
export function splitLines(data: Buffer): readonly Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (let at = data.indexOf(newline); at !== -1; at = data.indexOf(newline, start)) {
    lines.push({ message: decodeLine(data.subarray(start, at)), end: at + 1 });
    start = at + 1;
  }
  return lines;
}

/** One line without its newline. */
export function decodeLine(data: Buffer): string {
  return data.at(-1) === carriageReturn
    ? data.toString('utf8', 0, data.length - 1)
    : data.toString('utf8');
}

export function indexOfNewline(data: Buffer): number {
  return data.indexOf(newline);
}
