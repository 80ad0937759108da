// The README is not prose alone: its keys come from the schema, and its commands are run by this suite or by .ci/run.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { checkConfig } from '../src/boot/check-config.ts';
import { configSchema } from '../src/boot/config-schema.ts';
import { commands } from '../src/commands/commands.ts';
import { installationOf, isInstallStep } from './fixtures/installation.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const keysPath = join(root, 'docs', 'configuration.md');
const keysPage = readFileSync(keysPath, 'utf8');
const keysTable = /(<!-- keys[^\n]*-->\n)([\s\S]*?)<!-- \/keys -->/;
const ci = readFileSync(join(root, '.ci', 'run'), 'utf8');

function blocks(language: string, text = readme): readonly string[] {
  return [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    (match) => match[1]!,
  );
}

type Row = { readonly key: string; readonly text: string };

/** Keys with a description, in the order of the schema. */
function describedKeys(schema: v.GenericSchema, path = ''): readonly Row[] {
  const inner = unwrap(schema);
  const own = v.getDescription(schema) ?? v.getDescription(inner);
  const fallback = (schema as { default?: unknown }).default;
  const shown =
    fallback === undefined || typeof fallback === 'object'
      ? ''
      : ` Default: \`${JSON.stringify(fallback)}\`.`;
  const rows = own === undefined || path === '' ? [] : [{ key: path, text: `${own}.${shown}` }];
  const { entries, item } = inner as {
    entries?: Record<string, v.GenericSchema>;
    item?: v.GenericSchema;
  };
  const below = Object.entries(entries ?? {}).flatMap(([key, entry]) =>
    describedKeys(entry, path === '' ? key : `${path}.${key}`),
  );
  return [...rows, ...below, ...(item === undefined ? [] : describedKeys(item, `${path}[]`))];
}

function unwrap(schema: v.GenericSchema): v.GenericSchema {
  const { wrapped } = schema as { wrapped?: v.GenericSchema };
  return wrapped === undefined ? schema : unwrap(wrapped);
}

describe('README', () => {
  // Write it anew: WRITE_KEYS=1 npm test -- test/readme.test.ts && npm run fix
  test('the table of keys in docs/configuration.md is that of the schema', () => {
    const rows = describedKeys(configSchema).filter(({ key }) => key !== '$schema');
    if (process.env['WRITE_KEYS'] === '1') {
      const table = rows.map(({ key, text }) => `| \`${key}\` | ${text} |`).join('\n');
      const page = `\n| Key | Meaning |\n| --- | --- |\n${table}\n\n`;
      writeFileSync(
        keysPath,
        keysPage.replace(keysTable, (_, first: string) => `${first}${page}<!-- /keys -->`),
      );
      return;
    }
    const written = keysTable.exec(keysPage)?.[2] ?? '';
    // The formatter aligns the columns.
    const cells = written
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(cells.map(([, key, text]) => ({ key, text }))).toEqual(
      rows.map(({ key, text }) => ({ key: `\`${key}\``, text })),
    );
  });

  const examples = [...blocks('json'), ...blocks('json', keysPage)];
  test.each(examples)('an example of a configuration is valid: %s', (example) => {
    const facts = { identity: undefined, localHostname: undefined, nowMs: 0 };
    const checked = checkConfig(example, facts, undefined);
    expect(checked).toMatchObject({ ok: true, warnings: [] });
  });

  const lines = blocks('sh')
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter(Boolean);
  const parts = lines.flatMap((line) => line.split(' && '));

  /** The steps of the installation are walked in a booted container, from this very text. */
  const installs = parts.filter(isInstallStep);
  const others = parts.filter((part) => !part.startsWith('npx berth ') && !installs.includes(part));

  test('the installation is walked by test/systemd.test.ts', () => {
    expect(installationOf(readme)).toEqual(installs);
    expect(installs.length).toBe(2);
    expect(installs[0]).toContain(`/berth_${packageJson.version}_amd64.deb`);
  });

  test.each(others)('.ci/run runs %s', (part) => {
    expect(ci).toContain(
      part
        .replace(/^npm run /, 'npm run --silent ')
        .replace(/^npm run --silent (check|test)$/, 'npm run $1'),
    );
  });

  test.each(parts.filter((part) => part.startsWith('npx berth ')))(
    'there is a command %s, with these flags',
    (part) => {
      const [, , name = '', ...rest] = part.split(' ');
      expect(Object.keys(commands)).toContain(name);
      const known = commands[name as keyof typeof commands].flags.map(
        ([flag]) => flag.split(' ')[0],
      );
      expect(known).toEqual(expect.arrayContaining(rest.filter((word) => word.startsWith('--'))));
    },
  );

  test('is short enough to be read', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(150);
  });
});
