// Names every skipped and every failed test after a run, says how the API models judged its calls, and closes it with one line that
// counts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestModule, Reporter } from 'vitest/node';
import { findApiModels } from './lab/api-models.ts';
import { folderVariable, runSummaryText, sumUp } from './lab/judge-record.ts';

export default class CountingReporter implements Reporter {
  readonly #judged = mkdtempSync(join(tmpdir(), 'berth-judged-'));

  onInit(): void {
    // The workers, and what they start, come later and inherit it.
    process.env[folderVariable] = this.#judged;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) count.failed++;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'pending') continue;
        count[state]++;
        if (state === 'skipped') console.log(`skipped: ${test.fullName}`);
        // It passed at the second try, which only .ci/run asks for.
        if (test.diagnostic()?.flaky === true) console.log(`flaky: ${test.fullName}`);
        if (state === 'failed') console.log(`failed: ${module.relativeModuleId}: ${test.fullName}`);
      }
    }
    this.#tellOfJudge(count);
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }

  #tellOfJudge(count: { failed: number; skipped: number }): void {
    const run = sumUp(this.#judged);
    rmSync(this.#judged, { recursive: true, force: true });
    const models = findApiModels();
    if (typeof models === 'string') {
      count.skipped++;
      console.log(`skipped: API models: ${models}`);
      return;
    }
    for (const text of new Set(run.violations)) console.log(`API models: ${text}`);
    console.log(runSummaryText(models.version, run));
    if (run.violations.length === 0) return;
    count.failed++;
    // Those in processes that tests started have failed no test.
    process.exitCode = 1;
  }
}
