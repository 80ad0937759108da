// How a text becomes another, line by line, for people: `-` goes, `+` comes, two lines around them stay in sight. Pure.
import { diff } from 'node:util';

export type DiffLine = { readonly sign: ' ' | '-' | '+' | '@'; readonly text: string };

const around = 2;
/** The table of Node's diff grows with the square: 30 MB at so many. More is shown as one block that goes and one that comes. */
const maxLines = 2_000;

const signs = { '0': ' ', '1': '-', '-1': '+' } as const;

/** `@`: lines that stay the same are left out. None: there is no difference. */
export function diffLines(
  before: readonly string[],
  after: readonly string[],
): readonly DiffLine[] {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return shortened([
    ...lines(' ', after.slice(0, head)),
    ...changed(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...lines(' ', after.slice(after.length - tail)),
  ]);
}

function lines(sign: DiffLine['sign'], texts: readonly string[]): readonly DiffLine[] {
  return texts.map((text) => ({ sign, text }));
}

function changed(before: readonly string[], after: readonly string[]): readonly DiffLine[] {
  if (before.length + after.length > maxLines) return [...lines('-', before), ...lines('+', after)];
  // It throws on nothing at all.
  if (before.length + after.length === 0) return [];
  return diff(before, after).map(([operation, text]) => ({ sign: signs[operation], text }));
}

function shortened(lines: readonly DiffLine[]): readonly DiffLine[] {
  const isNear = (at: number): boolean =>
    lines.slice(Math.max(0, at - around), at + around + 1).some(({ sign }) => sign !== ' ');
  const shown = lines.map((line, at) => (isNear(at) ? line : undefined));
  return shown.flatMap((line, at) => {
    if (line !== undefined) return [line];
    // One for each run of them, and none where there is nothing to show at all.
    const isFirst = at === 0 || shown[at - 1] !== undefined;
    return isFirst && shown.some(Boolean) ? [{ sign: '@', text: '...' } as const] : [];
  });
}
