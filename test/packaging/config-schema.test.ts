// The JSON Schema of the configuration, asked through somebody else's validator (Python's jsonschema).
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { configJsonSchema } from '../../packaging/config-schema.ts';
import { checkConfig } from '../../src/boot/check-config.ts';
import { loadPatterns } from '../../src/system/patterns.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { pythonEnvironment } from '../lab/api-models.ts';

// Python starts slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const root = join(import.meta.dirname, '..', '..');
const python = join(pythonEnvironment, 'bin', 'python');
const reason = (() => {
  if (!existsSync(python)) return ` (skipped: no Python environment in ${pythonEnvironment})`;
  return globSync(`${pythonEnvironment}/lib/*/site-packages/jsonschema`).length > 0
    ? ''
    : ' (skipped: no jsonschema in the Python environment, see .ci/run)';
})();

/** A line of verdicts: what is wrong with each, or null. */
const validate = `
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
print(json.dumps([next((e.message for e in validator.iter_errors(d)), None) for d in json.load(open(sys.argv[2]))]))`;

function verdictsOf(configurations: readonly unknown[]): readonly (string | null)[] {
  using folder = temporaryFolder();
  const schema = folder.file('schema', JSON.stringify(configJsonSchema()));
  const asked = folder.file('asked', JSON.stringify(configurations));
  const answer = execFileSync(python, ['-c', validate, schema, asked], { maxBuffer: 64 << 20 });
  return JSON.parse(answer.toString()) as (string | null)[];
}

const compile = await loadPatterns();
const facts = { identity: undefined, localHostname: 'web-1', nowMs: 0 };

/** What berth says; '' where the configuration is valid. */
function problemsOf(input: unknown): string {
  const checked = checkConfig(input, facts, compile);
  return checked.ok ? '' : checked.issues.map(({ message }) => message).join('; ');
}

/** Judged by berth alone. */
const ofSeveralKeys = /^(pools\[0\]\.pin: must have exactly one of|.*role standby needs)[^;]*$/;

/** All that the documentation and the package show. */
const examples = ['README.md', ...globSync('docs/*.md', { cwd: root }).toSorted()]
  .flatMap((file) => [
    ...readFileSync(join(root, file), 'utf8').matchAll(/```json\n([\s\S]*?)```/g),
  ])
  .map((match) => JSON.parse(match[1]!) as unknown)
  .concat(JSON.parse(readFileSync(join(root, 'packaging/files/config.json'), 'utf8')));

type Change = (parent: Record<string, unknown>, key: string) => void;

/** What makes one key of a configuration wrong, wherever it is. */
const changes: Readonly<Record<string, Change>> = {
  'an unknown key beside it': (parent) => {
    parent['surely-unknown'] = 1;
  },
  'a number in its place': (parent, key) => {
    parent[key] = 1e9;
  },
  'null in its place': (parent, key) => {
    parent[key] = null;
  },
  'an empty string in its place': (parent, key) => {
    parent[key] = '';
  },
  'a list in its place': (parent, key) => {
    parent[key] = [[]];
  },
  'nothing in its place': (parent, key) => {
    delete parent[key];
  },
};

/** The example with one change at each of its keys. */
function changed(example: unknown, change: Change): readonly unknown[] {
  const paths: (readonly string[])[] = [];
  const walk = (value: unknown, path: readonly string[]): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (!Array.isArray(value)) paths.push([...path, key]);
      walk(child, [...path, key]);
    }
  };
  walk(example, []);
  return paths.map((path) => {
    const copy = structuredClone(example);
    let parent = copy as Record<string, unknown>;
    for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
    change(parent, path.at(-1)!);
    return copy;
  });
}

describe.skipIf(reason !== '')(`the JSON Schema${reason}`, () => {
  test('every example is valid', () => {
    expect(examples.length).toBeGreaterThan(4);
    const verdicts = verdictsOf(examples);
    expect(verdicts).toEqual(examples.map(() => null));
  });

  test.each(Object.entries(changes))('an example with %s: as berth judges it', (_, change) => {
    const wrong = examples.flatMap((example) => changed(example, change));
    const verdicts = verdictsOf(wrong);
    const differing = wrong
      .map((config, i) => ({ config, problems: problemsOf(config), schema: verdicts[i] }))
      .filter(({ problems, schema }) => (problems === '') !== (schema === null))
      .filter(({ problems, schema }) => schema !== null || !ofSeveralKeys.test(problems));
    expect(differing).toEqual([]);
  });

  test('what berth takes in another form is taken', () => {
    const others = [
      {
        logs: {
          logs_collected: {
            files: { collect_list: [{ file_path: '/a', log_group_class: 'standard' }] },
          },
        },
      },
      { routing: { connmark: '0x3f00' } },
      {
        agent: { anything: 1 },
        metrics: {
          metrics_collected: {
            procstat: [{ exe: 'x' }],
            cpu: { measurement: ['usage_idle'], report: 1 },
          },
        },
      },
    ];
    expect(others.map(problemsOf)).toEqual(others.map(() => ''));
    expect(verdictsOf(others)).toEqual(others.map(() => null));
  });

  test('says what a key is for', () => {
    const text = JSON.stringify(configJsonSchema());
    expect(text).toContain('Glob of the files to ship');
    expect(text).toContain('Of a log group that berth makes: STANDARD or INFREQUENT_ACCESS');
  });
});
