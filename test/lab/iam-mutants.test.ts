// The cases are enough: whatever a shipped policy loses, one of them is answered differently.
import { afterAll, describe, expect, test } from 'vitest';
import { rowsOf } from './iam-case-tables.ts';
import { judge, shippedPolicy } from './iam-cases.ts';
import { mutantsOf } from './iam-mutants.ts';

/** Mutants that allow and deny the same calls as the policy itself. */
const equivalent: Readonly<Record<string, string>> = {
  'condition ReleaseOnlyMyClaim Null aws:TagKeys':
    'a RequestTag needs a list of tags already (iam.md section 8)',
  'resource AttachDetachOnlyOnMyself as *':
    'only an instance has an ec2:InstanceID, and without one the ARN of the condition equals nothing',
};

/** BERTH_TELL_MUTANTS=1 prints which cases kill which. */
const isTalkative = process.env['BERTH_TELL_MUTANTS'] === '1';
const counts = { killed: 0, equivalent: 0 };
afterAll(() => {
  console.log(`IAM: ${counts.killed} mutants killed, ${counts.equivalent} known to change nothing`);
});

describe.each(Object.entries(rowsOf))('%s', (name, rows) => {
  const policy = shippedPolicy(name);
  const verdicts = rows.map((row) => judge([policy], row).decision);

  const mutants = mutantsOf(policy).map((mutant) => [mutant.name, mutant] as const);
  test.each(mutants)('%s', (_name, mutant) => {
    const killers = rows
      .filter((row, index) => judge([mutant.policy], row).decision !== verdicts[index])
      .map((row) => row.name);
    const reason = equivalent[mutant.name];
    expect(killers.length > 0).toBe(reason === undefined);
    counts[reason === undefined ? 'killed' : 'equivalent']++;
    if (isTalkative) {
      console.log(`${name}: ${mutant.name}: ${killers.join('; ') || reason}`);
    }
  });
});

test('the list of equivalent mutants names mutants', () => {
  const names = Object.keys(rowsOf).flatMap((name) =>
    mutantsOf(shippedPolicy(name)).map((mutant) => mutant.name),
  );
  expect(names).toEqual(expect.arrayContaining(Object.keys(equivalent)));
});
