// For every test file: a call that breaks the API models fails the test in which it was made.
import { afterAll, afterEach } from 'vitest';
import { takeViolations } from './judge-record.ts';

function failOnViolations(): void {
  const violations = takeViolations();
  if (violations.length === 0) return;
  throw new Error(`calls that break the API models:\n${violations.join('\n')}`);
}

afterEach(failOnViolations);
// Of labs that end after the last test.
afterAll(failOnViolations);
