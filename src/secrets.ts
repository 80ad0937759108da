// The secrets that this process has fetched, and the mask over them: what others have a hand in (the output of hooks, lines
// of applications) goes through it on its way to the log, the status and the dead letters.
//
// One register for the process, since the sinks have to know of a secret before anything can be said about it.

const mask = '***';
/** Whatever is shorter stands in half of all texts. */
export const shortestSecret = 6;

/** Every form in which one may appear, the longest first. */
let forms: readonly string[] = [];

/** Also as JSON, URLs and base64 write it, and each long line of it. */
export function rememberSecret(secret: string): void {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  const plain = [secret, secret.trim(), ...lines].filter((text) => text.length >= shortestSecret);
  const more = plain.flatMap((text) => [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text),
    Buffer.from(text).toString('base64').replace(/=+$/, ''),
  ]);
  forms = [...new Set([...forms, ...more])].toSorted((a, b) => b.length - a.length);
}

export function maskSecrets(text: string): string {
  return forms.reduce((left, form) => left.replaceAll(form, mask), text);
}

/** The same of every text in it, which is made of what JSON knows. */
export function maskSecretsIn<T>(value: T): T {
  return forms.length === 0 ? value : (masked(value) as T);
}

function masked(value: unknown): unknown {
  if (typeof value === 'string') return maskSecrets(value);
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, masked(inner)]));
}

/** For tests: a process learns, and never forgets. */
export function forgetSecrets(): void {
  forms = [];
}
