// The pages of docs/: their links lead somewhere, their examples are valid, and the messages they explain are berth's.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { checkConfig } from '../src/boot/check-config.ts';
import { identityOf } from './fixtures/identity.ts';
import { commands } from '../src/commands/commands.ts';
import packageJson from '../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');
const pages = globSync('docs/*.md', { cwd: root }).toSorted();
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');

function blocks(page: string, language: string): readonly string[] {
  const fence = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g');
  return [...textOf(page).matchAll(fence)].map(([, block]) => block!);
}

const all = <T>(of: (page: string) => readonly T[]): readonly (readonly [string, T])[] =>
  pages.flatMap((page) => of(page).map((one) => [page, one] as const));

const links = all((page) =>
  [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target]) => target!),
);
const configurations = all((page) =>
  blocks(page, 'json').filter((block) => /"(pools?|logs|metrics|agent)"/.test(block)),
);
const lines = all((page) => blocks(page, 'sh').flatMap((block) => block.split('\n')));
const berthLines = lines.filter(([, line]) => line.startsWith('berth '));
const scripts = all((page) => [
  ...new Set([...textOf(page).matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name!)),
]);

test('there are pages, and things to judge on them', () => {
  expect(pages.length).toBeGreaterThan(5);
  expect(links.length).toBeGreaterThan(3);
  expect(configurations.length).toBeGreaterThan(5);
});

test.each(links)('%s: the link %s leads somewhere', (page, target) => {
  expect(existsSync(join(root, dirname(page), target))).toBe(true);
});

test.each(configurations)('%s: a valid configuration: %s', (_page, example) => {
  const facts = { identity: undefined, localHostname: undefined, nowMs: 0 };
  expect(checkConfig(example, facts, undefined)).toMatchObject({ ok: true, warnings: [] });
});

test.each(berthLines)('%s: there is a command %s', (_page, line) => {
  const [, name = '', ...rest] = line.replace(/\s+#.*$/, '').split(' ');
  expect(Object.keys(commands)).toContain(name);
  const known = commands[name as keyof typeof commands].flags.map(([flag]) => flag.split(' ')[0]);
  expect(known).toEqual(expect.arrayContaining(rest.filter((word) => word.startsWith('--'))));
});

test.each(scripts)('%s: there is npm run %s', (_page, name) => {
  expect(Object.keys(packageJson.scripts)).toContain(name);
});

describe('docs/signals.md', () => {
  test('the template has the hooks of the configuration, with time for two heartbeats', () => {
    const [template] = blocks('docs/signals.md', 'yaml').map((block) => parseDocument(block));
    expect(template!.errors).toEqual([]);
    const { Fleet } = (template!.toJS() as { Resources: Record<string, Resource> }).Resources;
    const [first] = blocks('docs/signals.md', 'json').map((block) => {
      const facts = { identity: identityOf(), localHostname: undefined, nowMs: 0 };
      const tagged = { ...facts, identity: { ...facts.identity, tags: stackTags } };
      return checkConfig(block, tagged, undefined);
    });
    const hooks = first?.ok === true ? first.config.signals?.hooks : undefined;
    const listed = Fleet!.Properties.LifecycleHookSpecificationList;
    expect(
      listed.map((hook) => [hook.LifecycleHookName, hook.LifecycleTransition.split('_').at(-1)]),
    ).toEqual([
      [hooks?.launch, 'LAUNCHING'],
      [hooks?.terminate, 'TERMINATING'],
    ]);
    for (const { HeartbeatTimeout } of listed) {
      expect(HeartbeatTimeout * 1_000).toBeGreaterThanOrEqual(2 * hooks!.heartbeatMs);
    }
    expect(Fleet!.CreationPolicy.ResourceSignal.Count).toBe(Number(Fleet!.Properties.MinSize));
  });
});

type Resource = {
  readonly CreationPolicy: { readonly ResourceSignal: { readonly Count: number } };
  readonly Properties: {
    readonly MinSize: string;
    readonly LifecycleHookSpecificationList: readonly {
      readonly LifecycleHookName: string;
      readonly LifecycleTransition: string;
      readonly HeartbeatTimeout: number;
    }[];
  };
};

const stackTags = { 'aws:autoscaling:groupName': 'web-fleet' };

describe('docs/troubleshooting.md', () => {
  const source = globSync('src/**/*.ts', { cwd: root }).map(textOf).join('\n');
  /** The first column of the tables, where it is a message. */
  const messages = textOf('docs/troubleshooting.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...line.split('|')[1]!.matchAll(/`([^`]+)`/g)].map(([, text]) => text!));

  test('explains messages', () => {
    expect(messages.length).toBeGreaterThan(20);
  });

  test.each(messages)('"%s" is a message of berth', (message) => {
    expect(source.includes(message)).toBe(true);
  });
});
