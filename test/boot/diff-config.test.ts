// The lines that tell people what is different.
import { afterEach, describe, expect, test } from 'vitest';
import { diffConfig } from '../../src/boot/diff-config.ts';
import { forgetSecrets, rememberSecret } from '../../src/secrets.ts';

afterEach(forgetSecrets);

describe('diffConfig', () => {
  test('a line for each value, by its path', () => {
    const before = { pool: 'db', logs: { files: [{ path: '/a' }, { path: '/b' }] }, old: 1 };
    const after = { pool: 'db', logs: { files: [{ path: '/c' }] }, young: { a: [true] } };
    expect(diffConfig(before, after)).toEqual([
      'logs.files[0].path: "/a" -> "/c"',
      'logs.files[1]: {"path":"/b"} -> (nothing)',
      'old: 1 -> (nothing)',
      'young: (nothing) -> {"a":[true]}',
    ]);
    expect(diffConfig(before, structuredClone(before))).toEqual([]);
  });

  test.each([
    [{}, { hooks: { environment: { TOKEN: 'canary' } } }],
    [{ hooks: {} }, { hooks: { environment: { TOKEN: 'canary' } } }],
    [{ hooks: { environment: { TOKEN: 'canary' } } }, {}],
    [
      { hooks: { environment: { TOKEN: 'canary' } } },
      { hooks: { environment: { TOKEN: 'other' } } },
    ],
  ])('the environment of hooks is never shown: %j to %j', (before, after) => {
    const said = diffConfig(before, after).join('\n');
    expect(said).toMatch(/^hooks\.environment\.TOKEN: .*\*\*\*$|\*\*\* -> /);
    expect(said).not.toMatch(/canary|other/);
  });

  test('what is known for a secret is masked wherever it is; what is long is cut', () => {
    rememberSecret('hidden-word');
    const [line] = diffConfig({ a: 'x' }, { a: 'of hidden-word' });
    expect(line).toBe('a: "x" -> "of ***"');
    expect(diffConfig({}, { a: 'y'.repeat(5_000) })[0]!.length).toBeLessThan(250);
  });
});
