// Finds the `berth:` key in user data that holds a #cloud-config document. Pure; all else in user data is not ours.
//
// The document may come gzip'ed, base64-encoded once more, or as a part of a MIME multipart (first part with the key).
//   berth: ssm:/berth/web         a name of a parameter; `ssm:` may be left out
//   berth: [ssm:/berth/base, ssm:/berth/web/]   several, and trees of them: later ones win
//   berth: {pool: web, logs: {}}  the configuration itself; any other string is its JSON text
import { mimeParts } from './mime-parts.ts';

export type UserData =
  /** `warning`: it looks as if it were meant for us; never holds a piece of it. */
  | { readonly kind: 'none'; readonly warning: string | undefined }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'config'; readonly value: unknown };

/** A document that cloud-init renders says so before it says what it is; berth takes it as it stands. */
const cloudConfigHeader = /^(##[ \t]*template:.*\r?\n)?#cloud-config[ \t]*(\r?\n|$)/;

const none = { kind: 'none', warning: undefined } as const;
/** Wrappings within wrappings: gzip in base64 in a MIME part in gzip. */
const maxDepth = 4;
/** Sixteen KB of zeros must not unpack to gigabytes. */
const maxUnpackedBytes = 1_048_576;

/** With a version or label, or as an ARN. What does not look like one might be a secret, and is never shown as a name. */
const parameterNames = /^[A-Za-z0-9_.\-/:]+([\s,]+[A-Za-z0-9_.\-/:]+){0,31}$/;

/** Never throws. */
export async function parseUserData(bytes: Uint8Array): Promise<UserData> {
  return unwrap(bytes, false, maxDepth);
}

/** `declared`: a MIME header says that this is cloud-config. */
async function unwrap(bytes: Uint8Array, declared: boolean, depth: number): Promise<UserData> {
  if (depth === 0) return none;
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    const unpacked = await gunzip(bytes);
    if (unpacked !== undefined) return unwrap(unpacked, declared, depth - 1);
    return { kind: 'none', warning: 'user data is gzip that cannot be unpacked' };
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return none;
  if (declared || cloudConfigHeader.test(text)) return parseCloudConfig(text);

  const parts = mimeParts(text);
  if (parts !== undefined) {
    let result: UserData = none;
    for (const part of parts) {
      const declared = part.contentType === 'text/cloud-config';
      const found = await unwrap(part.body, declared, depth - 1);
      if (found.kind !== 'none') return found;
      if (found.warning !== undefined) result = found;
    }
    return result;
  }
  if (/^[A-Za-z0-9+/\s]{16,}={0,2}$/.test(text.trim())) {
    return unwrap(Buffer.from(text, 'base64'), declared, depth - 1);
  }
  return none;
}

async function parseCloudConfig(text: string): Promise<UserData> {
  // Most documents are not for us: they need no parser, and their mistakes are not ours to report.
  if (!text.includes('berth')) return none;
  const { parse } = await import('yaml');
  let document: unknown;
  try {
    document = parse(text, { logLevel: 'error' });
  } catch (error) {
    const line = (error as { linePos?: readonly { readonly line: number }[] }).linePos?.[0]?.line;
    const where = line === undefined ? '' : ` (line ${line})`;
    return { kind: 'none', warning: `user data is cloud-config that is no YAML${where}` };
  }
  if (typeof document !== 'object' || document === null) return none;
  if (!Object.hasOwn(document, 'berth')) return none;
  const value = (document as { readonly berth: unknown }).berth;
  const name = Array.isArray(value) ? value.join(' ') : value;
  if (typeof name !== 'string' || !parameterNames.test(name)) return { kind: 'config', value };
  return { kind: 'parameter', name: name.replace(/^ssm:/, '') };
}

async function gunzip(bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const { gunzipSync } = await import('node:zlib');
  try {
    return gunzipSync(bytes, { maxOutputLength: maxUnpackedBytes });
  } catch {
    return undefined;
  }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
