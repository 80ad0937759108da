// Is the daemon of `npm run soak` as large at the end as it was before? Pure.

export type Sample = { readonly atMs: number; readonly rssBytes: number; readonly fds: number };

export type Growth = {
  /** Medians of the second and of the last quarter. */
  readonly firstBytes: number;
  readonly lastBytes: number;
  /** Least squares, over all but the first quarter. */
  readonly bytesPerHour: number;
  readonly maxBytes: number;
  readonly maxFds: number;
  readonly lastFds: number;
};

/** The last quarter may be so much larger than the second. */
export const maxGrowth = 1.05;
/** In less nothing can be told from how a process warms up. */
export const judgedFromMinutes = 10;

/** `samples` of one process over the last three quarters of `lastingMs`; before, they may be of others. */
export function growthOf(samples: readonly Sample[], lastingMs: number): Growth {
  const within = (from: number, to: number): readonly Sample[] =>
    samples.filter(({ atMs }) => atMs >= from * lastingMs && atMs < to * lastingMs);
  const later = within(0.25, 1);
  const meanMs = mean(later.map(({ atMs }) => atMs));
  const meanBytes = mean(later.map(({ rssBytes }) => rssBytes));
  const square = sum(later.map(({ atMs }) => (atMs - meanMs) ** 2));
  const product = sum(later.map(({ atMs, rssBytes }) => (atMs - meanMs) * (rssBytes - meanBytes)));
  return {
    firstBytes: median(within(0.25, 0.5).map(({ rssBytes }) => rssBytes)),
    lastBytes: median(within(0.75, 1).map(({ rssBytes }) => rssBytes)),
    bytesPerHour: square === 0 ? 0 : (product / square) * 3_600_000,
    maxBytes: Math.max(0, ...samples.map(({ rssBytes }) => rssBytes)),
    maxFds: Math.max(0, ...samples.map(({ fds }) => fds)),
    lastFds: samples.at(-1)?.fds ?? 0,
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
