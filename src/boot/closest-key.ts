// The known key that a mistyped one was meant to be.

/** undefined: none is near. Case, `_` and `-` do not count. */
export function closestKey(key: string, known: readonly string[]): string | undefined {
  let best: { readonly key: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(plain(key), plain(candidate));
    if (best === undefined || distance < best.distance) best = { key: candidate, distance };
  }
  const limit = Math.max(1, Math.floor(plain(key).length / 3));
  return best !== undefined && best.distance <= limit ? best.key : undefined;
}

function plain(key: string): string {
  return key.toLowerCase().replaceAll(/[_-]/g, '');
}

/** Levenshtein: insertions, deletions and replacements, one row at a time. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
