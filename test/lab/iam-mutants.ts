// Mutants of a policy: each has lost one thing, or has one thing too wide.
import type { Policy, Statement } from './iam-evaluate.ts';

export type Mutant = {
  /** Kind, Sid and what is gone: `condition RefreshMyOwnClaim Null aws:TagKeys`. */
  readonly name: string;
  readonly policy: Policy;
};

/** Statements, operator blocks, single conditions, values in lists, actions; and each resource as `*`. */
export function mutantsOf(policy: Policy): readonly Mutant[] {
  return policy.Statement.flatMap((statement) => {
    const put = (name: string, replaced: readonly Statement[]): Mutant => ({
      name: name.replace(' ', ` ${statement.Sid} `).trimEnd(),
      policy: {
        ...policy,
        Statement: policy.Statement.flatMap((other) => (other === statement ? replaced : [other])),
      },
    });
    const actions = [statement.Action].flat();
    return [
      put('statement ', []),
      ...[...conditionMutants(statement)].map(([name, mutant]) => put(name, [mutant])),
      ...actions.map((gone) =>
        put(`action ${gone}`, [
          { ...statement, Action: actions.filter((action) => action !== gone) },
        ]),
      ),
      ...(statement.Resource === '*'
        ? []
        : [put('resource as *', [{ ...statement, Resource: '*' }])]),
    ];
  });
}

function* conditionMutants(statement: Statement): Generator<readonly [string, Statement]> {
  const condition = statement.Condition ?? {};
  for (const [operator, keys] of Object.entries(condition)) {
    const { [operator]: _gone, ...others } = condition;
    if (Object.keys(keys).length > 1) {
      yield [`operator ${operator}`, { ...statement, Condition: others }];
    }
    for (const [key, values] of Object.entries(keys)) {
      const { [key]: _alsoGone, ...rest } = keys;
      const without = { ...condition, [operator]: rest };
      yield [`condition ${operator} ${key}`, { ...statement, Condition: without }];
      if (typeof values === 'string') continue;
      for (const gone of values) {
        const fewer = { ...keys, [key]: values.filter((value) => value !== gone) };
        yield [
          `value ${operator} ${key} ${gone}`,
          { ...statement, Condition: { ...condition, [operator]: fewer } },
        ];
      }
    }
  }
}
