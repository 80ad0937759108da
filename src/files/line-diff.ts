// How a text becomes another, line by line, for people: `-` goes, `+` comes, two lines around them stay in sight. Pure.

export type DiffLine = { readonly sign: ' ' | '-' | '+' | '@'; readonly text: string };

const around = 2;
/** Of cells: a table of so many numbers is made at once. More than that is shown as one block that goes and one that comes. */
const maxCells = 4_000_000;

/** `@`: lines that stay the same are left out. None: there is no difference. */
export function diffLines(
  before: readonly string[],
  after: readonly string[],
): readonly DiffLine[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before.at(-1 - tail) === after.at(-1 - tail)
  )
    tail++;
  const all = [
    ...stays(after.slice(0, head)),
    ...changed(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...stays(after.slice(after.length - tail)),
  ];
  return shortened(all);
}

function stays(lines: readonly string[]): readonly DiffLine[] {
  return lines.map((text) => ({ sign: ' ', text }));
}

/** By the longest common subsequence. */
function changed(before: readonly string[], after: readonly string[]): readonly DiffLine[] {
  const [rows, columns] = [before.length + 1, after.length + 1];
  const gone = before.map((text): DiffLine => ({ sign: '-', text }));
  const come = after.map((text): DiffLine => ({ sign: '+', text }));
  if (rows * columns > maxCells) return [...gone, ...come];
  const lengths = new Uint32Array(rows * columns);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lengths[i * columns + j] =
        before[i] === after[j]
          ? lengths[(i + 1) * columns + j + 1]! + 1
          : Math.max(lengths[(i + 1) * columns + j]!, lengths[i * columns + j + 1]!);
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) {
      lines.push({ sign: ' ', text: after[j++]! });
      i++;
    } else if (lengths[(i + 1) * columns + j]! >= lengths[i * columns + j + 1]!) {
      lines.push(gone[i++]!);
    } else lines.push(come[j++]!);
  }
  return [...lines, ...gone.slice(i), ...come.slice(j)];
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
