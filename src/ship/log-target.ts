// A target: one log stream of one log group. The configuration has checked their names.

export type LogTarget = { readonly group: string; readonly stream: string };

export function targetKey({ group, stream }: LogTarget): string {
  return `${group}:${stream}`;
}

/** A file name is at most 255 bytes on Linux; rotation adds to it. */
const maxNameBytes = 240;

/** A target as the name of a file, `emf@GROUP@STREAM.log`; undefined: it cannot be one. */
export function fileNameOf(kind: string, { group, stream }: LogTarget): string | undefined {
  // Half of a character, which has no bytes.
  if (!group.isWellFormed() || !stream.isWellFormed()) return undefined;
  const name = `${[kind, group, stream].map(encodeURIComponent).join('@')}.log`;
  return name.length > maxNameBytes ? undefined : name;
}

export function targetOfFileName(name: string): LogTarget {
  const [, group = '', stream = ''] = name
    .replace(/\.log$/, '')
    .split('@')
    .map(decodeURIComponent);
  return { group, stream };
}
