// Bytes of a file as text: where a line ends, and what stands in it, by the encoding of the source.
import { isCodePage, type DecodeCodePage } from '../system/code-pages.ts';

export type Decoder = {
  /** Index behind the first newline at or after `from`; -1: there is none. `from` is at a character. */
  endOfLine(data: Buffer, from: number): number;
  /** A line with or without its newline, without both it and a `\r` in front of it; what is no text becomes U+FFFD. */
  decode(line: Buffer): string;
};

/** `label`: of the WHATWG encoding standard, or a code page, which needs `codePages`. Throws RangeError on another. */
export function createDecoder(label: string, codePages: DecodeCodePage | undefined): Decoder {
  if (codePages !== undefined && isCodePage(label)) {
    return {
      endOfLine: endOfByteLine,
      decode: (line) => withoutEnd(codePages(line, label)),
    };
  }
  // The agent takes it for UTF-8; the standard for windows-1252.
  const name = label.toLowerCase() === 'ascii' ? 'utf-8' : new TextDecoder(label).encoding;
  if (name === 'utf-8') {
    return { endOfLine: endOfByteLine, decode: (line) => withoutEnd(line.toString('utf8')) };
  }
  const decoder = new TextDecoder(name);
  const decode = (line: Buffer): string => withoutEnd(decoder.decode(line));
  const unit = { 'utf-16le': [0x0a, 0x00], 'utf-16be': [0x00, 0x0a] }[name];
  if (unit === undefined) return { endOfLine: endOfByteLine, decode };
  const newline = Buffer.from(unit);
  return {
    decode,
    endOfLine: (data, from) => {
      let at = data.indexOf(newline, from);
      while (at !== -1 && at % 2 === 1) at = data.indexOf(newline, at + 1);
      return at === -1 ? -1 : at + newline.length;
    },
  };
}

/** In every encoding but UTF-16 the byte 0x0a is a newline and nothing else. */
function endOfByteLine(data: Buffer, from: number): number {
  const at = data.indexOf(0x0a, from);
  return at === -1 ? -1 : at + 1;
}

function withoutEnd(text: string): string {
  if (!text.endsWith('\n')) return text;
  return text.slice(0, text.endsWith('\r\n') ? -2 : -1);
}
