// What the judge found: per lab, with what a test expected; per process, for the test that is to fail; and per run,
// in a folder that the test reporter makes and sums up.
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiModels } from './api-models.ts';
import type { FrontExchange } from './front.ts';
import { judge, violationText, type Violation } from './judge.ts';

export type LabJudge = {
  /** `botocore 1.44.5`; undefined: there are no models, and nothing is judged. */
  readonly version: string | undefined;
  /** `123 calls judged by botocore 1.44.5, 0 violations`, or why there is no judge. */
  readonly summary: () => string;
  /** That nobody expected, as text. */
  readonly violations: readonly string[];
  /**
   * From now on, violations that have this in their text are what the caller wants. One of them has to come before the
   * lab ends.
   */
  readonly expect: (text: string) => void;
  readonly hear: (exchange: FrontExchange) => void;
  /** When the lab ends: what was expected and did not come is a violation. */
  readonly close: () => void;
};

export type Tally = {
  calls: number;
  /** Answers that a fault rule cut, or put a page of HTML in place of: their requests alone were judged. */
  broken: number;
  expected: number;
  client: number;
  lab: number;
  /** Expectations that nothing met. */
  unmet: number;
};

/** Names the folder in which the processes of a test run leave their figures. */
export const folderVariable = 'BERTH_JUDGED';

const unseen: string[] = [];

/** The unexpected violations in this process since the last call. */
export function takeViolations(): readonly string[] {
  return unseen.splice(0);
}

export function createLabJudge(models: ApiModels | string): LabJudge {
  if (typeof models === 'string') {
    return {
      version: undefined,
      summary: () => `skipped: API models: ${models}`,
      violations: [],
      expect: () => undefined,
      hear: () => undefined,
      close: () => undefined,
    };
  }
  const { version } = models;
  const tally = emptyTally();
  const violations: string[] = [];
  const expected = new Map<string, number>();
  const add = (kind: Violation['by'] | 'unmet', text: string): void => {
    tally[kind]++;
    violations.push(text);
    unseen.push(text);
  };
  return {
    version,
    violations,
    summary: () => `${tally.calls} calls judged by ${version}, ${violations.length} violations`,
    expect: (text) => void expected.set(text, 0),
    hear: (exchange) => {
      tally.calls++;
      if (exchange.answer === undefined) tally.broken++;
      for (const violation of judge(models, exchange)) {
        const text = violationText(violation);
        const wanted = [...expected.keys()].find((part) => text.includes(part));
        if (wanted === undefined) add(violation.by, text);
        else {
          expected.set(wanted, expected.get(wanted)! + 1);
          tally.expected++;
        }
      }
    },
    close: () => {
      for (const [text, times] of expected) {
        if (times === 0) add('unmet', `test: expected and never seen: ${text}`);
      }
      const folder = process.env[folderVariable];
      if (folder === undefined) return;
      const entry: RunSummary = { tally, violations };
      appendFileSync(join(folder, String(process.pid)), `${JSON.stringify(entry)}\n`);
    },
  };
}

export type RunSummary = { readonly tally: Tally; readonly violations: readonly string[] };

/** Of all processes that left something in the folder. */
export function sumUp(folder: string): RunSummary {
  const tally = emptyTally();
  const violations: string[] = [];
  for (const name of readdirSync(folder)) {
    for (const line of readFileSync(join(folder, name), 'utf8').trim().split('\n')) {
      const entry = JSON.parse(line) as RunSummary;
      violations.push(...entry.violations);
      for (const key of Object.keys(tally) as (keyof Tally)[]) tally[key] += entry.tally[key];
    }
  }
  return { tally, violations };
}

export function runSummaryText(version: string, { tally }: RunSummary): string {
  const { calls, client, lab, expected, broken, unmet } = tally;
  return (
    `API models: ${version} judged ${calls.toLocaleString('en-US')} calls: ` +
    `${client} violations by clients, ${lab} by the lab` +
    ` (${expected} that tests expected, ${unmet} expected in vain, ${broken} answers cut or replaced on purpose)`
  );
}

function emptyTally(): Tally {
  return { calls: 0, broken: 0, expected: 0, client: 0, lab: 0, unmet: 0 };
}
