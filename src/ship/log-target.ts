// A target: one log stream of one log group. The configuration has checked their names.

export type LogTarget = { readonly group: string; readonly stream: string };

export function targetKey({ group, stream }: LogTarget): string {
  return `${group}:${stream}`;
}
