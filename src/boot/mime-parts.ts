// The parts of a MIME multipart, as far as cloud-init's user data needs it (RFC 2046, flat). Pure.

export type MimePart = {
  /** Lower case, without parameters; text/plain where none is given. */
  readonly contentType: string;
  /** Its transfer encoding undone. */
  readonly body: Uint8Array;
};

/** undefined: this is no multipart. */
export function mimeParts(text: string): readonly MimePart[] | undefined {
  const { headers, body } = splitHeaders(text.replaceAll('\r\n', '\n'));
  const contentType = headers.get('content-type') ?? '';
  if (!/^multipart\//i.test(contentType)) return undefined;
  const found = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType);
  const boundary = found?.[1] ?? found?.[2];
  if (boundary === undefined) return undefined;
  // What stands before the first boundary and after the last is not for machines.
  const sections = `\n${body}`.split(`\n--${boundary}`).slice(1);
  const end = sections.findIndex((section) => section.startsWith('--'));
  return (end === -1 ? sections : sections.slice(0, end)).map(parsePart);
}

function parsePart(section: string): MimePart {
  const { headers, body } = splitHeaders(section.replace(/^[ \t]*\n/, ''));
  const contentType = (headers.get('content-type') ?? 'text/plain').split(';')[0]!;
  return {
    contentType: contentType.trim().toLowerCase(),
    body: undoEncoding((headers.get('content-transfer-encoding') ?? '').toLowerCase(), body),
  };
}

function undoEncoding(encoding: string, body: string): Uint8Array {
  if (encoding === 'base64') return Buffer.from(body, 'base64');
  if (encoding !== 'quoted-printable') return Buffer.from(body);
  const joined = body.replaceAll(/=[ \t]*\n/g, '');
  const bytes = joined.replaceAll(/=([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1');
}

/** Header lines up to the first empty line; folded ones are joined. */
function splitHeaders(text: string): {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
} {
  const end = text.startsWith('\n') ? 0 : text.indexOf('\n\n');
  const head = end === -1 ? text : text.slice(0, end);
  const headers = new Map<string, string>();
  for (const line of head.replaceAll(/\n[ \t]+/g, ' ').split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { headers, body: end === -1 ? '' : text.slice(end).replace(/^\n{1,2}/, '') };
}
