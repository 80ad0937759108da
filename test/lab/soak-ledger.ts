// What has arrived of each writer of `npm run soak`: which lines are missing, which came again, which came too late.

export type Ledger = {
  /** One line of a writer arrived, with the time that it was given. */
  take(writer: string, seq: number, timestampMs: number): void;
  /** CloudWatch refused it for good: it belongs into the dead letters, and its place is no gap. */
  refuse(writer: string, seq: number): void;
  /** Lines in front of this one are all settled. */
  settledOf(writer: string): number;
  /** The writers whose `settledOf` has moved since the last call. */
  moved(): Readonly<Record<string, number>>;
  /** `written`: how many lines each writer has written. */
  compare(written: Readonly<Record<string, number>>): Comparison;
  readonly arrived: number;
  readonly repeated: number;
  /** Whoever reads them, by their time and then as they came, sees it behind one that was written later, or the reverse. */
  readonly misplaced: number;
  /** `writer seq`, and the other; the first few. */
  readonly disorder: readonly string[];
  readonly refused: readonly string[];
};

export type Comparison = {
  readonly missing: number;
  /** `writer seq`, a few. */
  readonly examples: readonly string[];
  /** Arrived, and never written. */
  readonly unwritten: number;
};

/** Lines that follow each other and came one after the other. */
type Run = { readonly from: number; to: number; readonly firstMs: number; lastMs: number };

type Account = {
  next: number;
  /** The last ones. */
  readonly runs: Run[];
  /** Settled, beyond `next`. */
  readonly ahead: Set<number>;
};

const maxExamples = 10;
/** So many batches may overtake each other. */
const maxRuns = 64;

export function createLedger(): Ledger {
  const accounts = new Map<string, Account>();
  const refused = new Set<string>();
  let changed = new Set<string>();
  let arrived = 0;
  let repeated = 0;
  let misplaced = 0;
  const disorder: string[] = [];

  const accountOf = (writer: string): Account => {
    const known = accounts.get(writer) ?? { next: 0, runs: [], ahead: new Set() };
    accounts.set(writer, known);
    return known;
  };
  const isSettled = ({ next, ahead }: Account, seq: number): boolean =>
    seq < next || ahead.has(seq);
  const settle = (writer: string, account: Account, seq: number): void => {
    account.ahead.add(seq);
    while (account.ahead.delete(account.next)) account.next++;
    changed.add(writer);
  };

  return {
    take: (writer, seq, timestampMs) => {
      const account = accountOf(writer);
      if (isSettled(account, seq)) {
        repeated++;
        return;
      }
      arrived++;
      const { runs } = account;
      const other = runs.find(({ from, to, firstMs, lastMs }) =>
        from > seq ? firstMs <= timestampMs : to < seq && lastMs > timestampMs,
      );
      if (other !== undefined) {
        misplaced++;
        if (disorder.length < maxExamples)
          disorder.push(`${writer} ${seq}, and ${other.from} to ${other.to}`);
      }
      const last = runs.at(-1);
      if (last?.to === seq - 1 && last.lastMs <= timestampMs) {
        last.to = seq;
        last.lastMs = timestampMs;
      } else runs.push({ from: seq, to: seq, firstMs: timestampMs, lastMs: timestampMs });
      if (runs.length > maxRuns) runs.shift();
      settle(writer, account, seq);
    },
    refuse: (writer, seq) => {
      refused.add(`${writer} ${seq}`);
      const account = accountOf(writer);
      if (!isSettled(account, seq)) settle(writer, account, seq);
    },
    settledOf: (writer) => accounts.get(writer)?.next ?? 0,
    moved: () => {
      const moved = Object.fromEntries(
        [...changed].map((writer) => [writer, accounts.get(writer)!.next]),
      );
      changed = new Set();
      return moved;
    },
    compare: (written) => {
      let missing = 0;
      let unwritten = 0;
      const examples: string[] = [];
      for (const [writer, count] of Object.entries(written)) {
        const { next, ahead } = accountOf(writer);
        unwritten += Math.max(0, next - count);
        for (let seq = next; seq < count; seq++) {
          if (ahead.has(seq)) continue;
          missing++;
          if (examples.length < maxExamples) examples.push(`${writer} ${seq}`);
        }
        for (const seq of ahead) if (seq >= count) unwritten++;
      }
      for (const [writer, { next, ahead }] of accounts) {
        if (!(writer in written)) unwritten += next + ahead.size;
      }
      return { missing, examples, unwritten };
    },
    get arrived() {
      return arrived;
    },
    get repeated() {
      return repeated;
    },
    get misplaced() {
      return misplaced;
    },
    disorder,
    get refused() {
      return [...refused];
    },
  };
}
