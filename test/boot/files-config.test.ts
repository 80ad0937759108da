// The key `files`: what is a file, what is none, and a secret that everybody may read.
import { describe, expect, test } from 'vitest';
import { checkConfig } from '../../src/boot/check-config.ts';
import { checkOpen } from '../../src/boot/check-open.ts';
import { diffConfig } from '../../src/boot/diff-config.ts';
import { treeOf } from '../../src/boot/merge-config.ts';

const facts = { identity: undefined, localHostname: undefined, nowMs: 0 };
const path = '/etc/app/a.conf';
const messagesOf = (...files: readonly unknown[]): readonly string[] => {
  const checked = checkConfig({ files }, facts, undefined);
  return checked.ok ? [] : checked.issues.map(({ message }) => message);
};

describe('files', () => {
  test('have their defaults', () => {
    const check = { command: ['app', '--check', '{}'] };
    const reload = { command: ['systemctl', 'reload', 'app'], timeoutSeconds: 5 };
    const checked = checkConfig(
      { files: [{ path, content: '', check, reload }] },
      facts,
      undefined,
    );
    expect(checked).toMatchObject({
      ok: true,
      config: {
        files: [
          {
            path,
            content: '',
            owner: 'root',
            group: 'root',
            mode: 0o640,
            check: { argv: check.command, timeoutMs: 30_000 },
            reload: { argv: reload.command, timeoutMs: 5_000 },
          },
        ],
      },
    });
  });

  test.each<[string, object, RegExp]>([
    ['a relative path', { path: 'etc/a' }, /files\[0\]\.path: must be an absolute path/],
    ['a way up', { path: '/etc/../etc/a' }, /must be an absolute path/],
    ['two slashes', { path: '/etc//a' }, /must be an absolute path/],
    ['a folder', { path: '/etc/app/' }, /must be an absolute path/],
    ['a line break', { path: '/etc/a\nb' }, /must be an absolute path/],
    ['a long name', { path: `/etc/${'a'.repeat(201)}` }, /must be an absolute path/],
    ['where the sandbox sees nothing', { path: '/home/app/a' }, /sandbox of the writer/],
    ['a temporary file', { path: '/etc/.a.berth-new' }, /must not end with \.berth-new/],
    ['no content', { content: undefined }, /content: must be there/],
    ['a NUL', { content: 'a\0b' }, /must have no NUL/],
    ['too much', { content: 'x'.repeat(1_048_577) }, /must be at most 1048576 long/],
    ['an owner', { owner: 'a b' }, /must be a name or a number/],
    ['set-user-ID', { mode: '4755' }, /must be three octal digits/],
    ['what is not octal', { mode: '0698' }, /must be three octal digits/],
    ['a mode for everybody', { mode: '0666' }, /must not let everybody write/],
    ['a number for a mode', { mode: 640 }, /mode: must be a string/],
    ['a check of nothing', { check: { command: ['app', '--check'] } }, /must have \{\}/],
    ['the file as program', { check: { command: ['{}'] } }, /must have \{\}/],
    ['no program', { reload: { command: [] } }, /must not be empty/],
    ['no time', { reload: { command: ['a'], timeoutSeconds: 121 } }, /must be at most 120/],
    [
      'an unknown key',
      { contents: 'x' },
      /unknown key files\[0\]\.contents: did you mean content\?/,
    ],
  ])('are none with %s', (_name, wrong, message) => {
    expect(messagesOf({ path, content: 'x', ...wrong }).join('\n')).toMatch(message);
  });

  test('have a path of their own, and an end', () => {
    const file = { path, content: 'x' };
    expect(messagesOf(file, { ...file, content: 'y' })).toEqual([
      'files: must not name a path twice',
    ]);
    const many = Array.from({ length: 65 }, (_, i) => ({ path: `/etc/app/${i}`, content: '' }));
    expect(messagesOf(...many)).toEqual(['files: must be at most 64 long']);
    const large = Array.from({ length: 5 }, (_, i) => ({
      path: `/etc/app/${i}`,
      content: 'x'.repeat(1_000_000),
    }));
    expect(messagesOf(...large)).toEqual([
      'files: must be at most 4194304 characters long together',
    ]);
  });
});

const warningsOf = (...files: readonly object[]): readonly string[] =>
  checkOpen(JSON.stringify({ files }), facts, undefined).warnings.map(({ message }) => message);

describe('a secret in a file', () => {
  test('that everybody may read is a warning', () => {
    const content = 'a {{ssm-secure:/berth/a}}';
    const open = 'everybody on the host may read the secret in it';
    expect(
      warningsOf(
        { path, content },
        { path: '/etc/app/b', content, mode: '0644' },
        { path: '/etc/app/c', content: '{{ssm:/berth/a}}', mode: '0644' },
      ),
    ).toEqual([`files[1].mode: ${open}`]);
  });

  test('is not in the difference of two configurations, whatever came or went', () => {
    const before = { files: [{ path, content: 'old secret' }] };
    const after = {
      files: [
        { path, content: 'new secret' },
        { path: '/etc/b', content: 'third secret' },
      ],
    };
    const lines = [
      ...diffConfig(before, after),
      ...diffConfig({}, after),
      ...diffConfig(after, {}),
    ];
    expect(lines).toContain('files[0].content: *** -> ***');
    expect(lines).toContain('files[1].path: (nothing) -> "/etc/b"');
    expect(lines.join('\n')).not.toContain('secret');
  });
});

const leaf = (path: string, value: string) => ({
  path,
  parameter: { value, version: 1, isList: false, isSecret: false },
});

test('in a tree of parameters content and mode are texts, whatever they look like', () => {
  const tree = treeOf('/berth/web/', [
    leaf('files/0/path', path),
    leaf('files/0/content', '{"a": 1}'),
    leaf('files/0/mode', '640'),
    leaf('files/0/check/timeoutSeconds', '5'),
  ]);
  expect(tree).toEqual({
    files: [{ path, content: '{"a": 1}', mode: '640', check: { timeoutSeconds: 5 } }],
  });
});
