// Medians, spreads and ratios of a benchmark, and its tables.

export type Spread = { readonly median: number; readonly min: number; readonly max: number };

/** Throws where there is nothing to measure by. */
export function spreadOf(samples: readonly number[]): Spread {
  if (samples.length === 0) throw new Error('cannot take the median of no samples');
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median =
    sorted.length % 2 === 1
      ? sorted[Math.floor(middle)]!
      : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** `612 (580-702)`. */
export function spreadText({ median, min, max }: Spread, digits: number): string {
  const [middle, low, high] = [median, min, max].map((value) => value.toFixed(digits));
  return low === high ? low! : `${middle} (${low}-${high})`;
}

/** `8.4 x`; nothing to compare with: `-`. */
export function ratioText(of: number, to: number): string {
  if (!(to > 0) || !Number.isFinite(of)) return '-';
  const ratio = of / to;
  return `${ratio.toFixed(ratio < 10 ? 1 : 0)} x`;
}

/** The first row is the heading; the first column is set left, the others right. */
export function tableLines(rows: readonly (readonly string[])[]): readonly string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines = rows.map((row) =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('   ')
      .trimEnd(),
  );
  const [heading = '', ...body] = lines;
  return [heading, '-'.repeat(Math.max(...lines.map((line) => line.length))), ...body];
}
