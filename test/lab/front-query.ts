// The Query protocol: form body in, XML out; EC2 has its own dialect of it.
import type { AwsFault } from './service.ts';

export type QueryValue = string | readonly QueryValue[] | { readonly [name: string]: QueryValue };
type Branch = Map<string, string | Branch>;

/**
 * `Filter.1.Name=a&Filter.1.Value.1=b` -> `{ Filter: [{ Name: 'a', Value: ['b'] }] }`. Leaves are strings.
 * Numbered lists come in the order of their numbers. Throws SyntaxError if a name is both a leaf and a branch.
 */
export function parseQuery(body: string): { readonly [name: string]: QueryValue } {
  const root: Branch = new Map();
  for (const [name, value] of new URLSearchParams(body)) {
    const path = name.split('.');
    const leaf = path.pop()!;
    let branch = root;
    for (const part of path) {
      const next = branch.get(part) ?? new Map();
      if (typeof next === 'string') throw new SyntaxError(`${part} is a leaf and a branch`);
      branch.set(part, next);
      branch = next;
    }
    if (branch.get(leaf) instanceof Map) throw new SyntaxError(`${leaf} is a leaf and a branch`);
    branch.set(leaf, value);
  }
  return Object.fromEntries([...root].map(([name, value]) => [name, plain(value)]));
}

function plain(value: string | Branch): QueryValue {
  if (typeof value === 'string') return value;
  const entries = [...value].map(([name, inner]) => [name, plain(inner)] as const);
  if (!entries.every(([name]) => /^\d+$/.test(name))) return Object.fromEntries(entries);
  return entries.toSorted(([a], [b]) => Number(a) - Number(b)).map(([, inner]) => inner);
}

/** Names are element names as EC2 writes them; an array becomes `<item>`s, undefined nothing. */
export function ec2Answer(
  action: string,
  requestId: string,
  output: Readonly<Record<string, unknown>>,
): string {
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n` +
    `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">` +
    `<requestId>${requestId}</requestId>${xml(output)}</${action}Response>`
  );
}

export function ec2Error(requestId: string, code: string, message: string): string {
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n` +
    `<Response><Errors><Error><Code>${escape(code)}</Code><Message>${escape(message)}</Message></Error></Errors>` +
    `<RequestID>${requestId}</RequestID></Response>`
  );
}

const namespaces = {
  sts: 'https://sts.amazonaws.com/doc/2011-06-15/',
  cloudformation: 'http://cloudformation.amazonaws.com/doc/2010-05-15/',
  autoscaling: 'http://autoscaling.amazonaws.com/doc/2011-01-01/',
} as const;

/** Whoever speaks the protocol as the API models describe it. */
export type QueryService = keyof typeof namespaces;

export function isQueryService(service: string): service is QueryService {
  return Object.hasOwn(namespaces, service);
}

/** The models give them no output. */
const silent = ['SignalResource'];

/** Without lists: the lab's operations of these services have none. */
export function queryAnswer(
  service: QueryService,
  action: string,
  requestId: string,
  output: Readonly<Record<string, unknown>>,
): string {
  return (
    `<${action}Response xmlns="${namespaces[service]}">` +
    (silent.includes(action) ? '' : `<${action}Result>${xml(output)}</${action}Result>`) +
    `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${action}Response>`
  );
}

export function queryError(
  service: QueryService,
  requestId: string,
  { status, code, message }: Pick<AwsFault, 'status' | 'code' | 'message'>,
): string {
  return (
    `<ErrorResponse xmlns="${namespaces[service]}"><Error><Type>${status < 500 ? 'Sender' : 'Receiver'}</Type>` +
    `<Code>${escape(code)}</Code><Message>${escape(message)}</Message></Error>` +
    `<RequestId>${requestId}</RequestId></ErrorResponse>`
  );
}

function xml(value: unknown): string {
  if (value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item) => `<item>${xml(item)}</item>`).join('');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([name, inner]) => `<${name}>${xml(inner)}</${name}>`)
      .join('');
  }
  if (typeof value === 'string') return escape(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new TypeError(`there is no XML for ${typeof value}`);
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;');
}
