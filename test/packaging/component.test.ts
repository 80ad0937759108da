// The component of EC2 Image Builder: AWS's own validator (awstoe) is not to be had by name, so a schema of the documented
// fields judges it, and its checks are run with programs that answer as told.
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { systemExec } from '../../src/system/exec.ts';
import { component, componentScripts } from '../fixtures/templates.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const name = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{3,128}$/));
/** Image Builder user guide, "Document schema and definitions", "Use variables", "Action modules". */
const step = v.variant('action', [
  v.strictObject({
    name,
    action: v.literal('S3Download'),
    maxAttempts: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    inputs: v.array(v.strictObject({ source: v.string(), destination: v.string() })),
  }),
  v.strictObject({
    name,
    action: v.literal('ExecuteBash'),
    inputs: v.strictObject({ commands: v.array(v.string()) }),
  }),
]);
const schema = v.strictObject({
  name: v.string(),
  description: v.string(),
  schemaVersion: v.literal(1),
  parameters: v.array(
    v.record(name, v.strictObject({ type: v.literal('string'), description: v.string() })),
  ),
  phases: v.array(
    v.strictObject({
      name: v.picklist(['build', 'validate', 'test']),
      steps: v.pipe(v.array(step), v.minLength(1)),
    }),
  ),
});

test('the component has the documented form: phases, steps, actions and their inputs', () => {
  const { phases, parameters } = v.parse(schema, component());
  expect(phases.map((phase) => phase.name)).toEqual(['build', 'validate', 'test']);
  for (const { steps } of phases) {
    expect(new Set(steps.map((one) => one.name)).size).toBe(steps.length);
  }
  const used = JSON.stringify(phases).matchAll(/\{\{ *([^ }]+) *\}\}/g);
  expect([...used].map(([, parameter]) => parameter)).toEqual(parameters.flatMap(Object.keys));
});

/** How the programs end; each also prints its name and arguments. */
type Ends = Readonly<
  Record<'berth' | 'systemctl is-enabled' | 'systemctl is-active' | 'ls', number>
>;

async function ranWith(script: string, ends: Ends) {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, 'bin'));
  const program = (file: string, lines: string): void =>
    chmodSync(folder.file(`bin/${file}`, `#!/bin/sh\n${lines}\n`), 0o755);
  program('berth', `exit ${ends.berth}`);
  program('ls', `exit ${ends.ls}`);
  program(
    'systemctl',
    `case $1 in is-enabled) exit ${ends['systemctl is-enabled']};; is-active) exit ${ends['systemctl is-active']};; show) echo 1234;; esac`,
  );
  const argv = ['/usr/bin/env', `PATH=${folder.path}/bin:/usr/bin:/bin`, 'bash'] as const;
  const { code } = await systemExec.run(
    { argv: [...argv, folder.file('script', script)], stdin: undefined, timeoutMs: 60_000 },
    new AbortController().signal,
  );
  return code;
}

describe('before the image is made', () => {
  const { script } = componentScripts().find(({ phase }) => phase === 'validate')!;
  const good: Ends = { berth: 0, 'systemctl is-enabled': 0, 'systemctl is-active': 3, ls: 2 };

  test('enabled, not started and without state is right', async () => {
    expect(await ranWith(script, good)).toBe(0);
  });

  test.each([
    ['does not run', { berth: 1 }],
    ['is not enabled', { 'systemctl is-enabled': 1 }],
    ['was started', { 'systemctl is-active': 0 }],
    ['has state', { ls: 0 }],
  ])('a berth that %s is not', async (_what, bad) => {
    expect(await ranWith(script, { ...good, ...bad })).not.toBe(0);
  });
});
