// Patterns of files, as the CloudWatch agent reads them; the walk finds just what the pattern says.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGlob } from '../../src/system/glob.ts';
import { systemLogFiles } from '../../src/system/log-files.ts';
import { scratch } from '../lab/environment.ts';

let folder: string;
const files = [
  'x.log',
  'y.log',
  '.dot.log',
  'z(1).log',
  'b[1].log',
  'b1.log',
  'old.log.gz',
  'pq.log',
  'd/m.log',
  'd/sub/n.log',
  '.hid/h.log',
  'e/d/m.log',
];
beforeAll(() => {
  folder = mkdtempSync(join(scratch, 'berth-glob-'));
  for (const name of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), '');
  }
  // A loop, a way to another folder, and links to a file and to nowhere.
  symlinkSync('..', join(folder, 'd/sub/loop'));
  symlinkSync('d', join(folder, 'way'));
  symlinkSync('x.log', join(folder, 'link.log'));
  symlinkSync('nowhere', join(folder, 'lost.log'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const sorted = (paths: readonly string[]): readonly string[] =>
  paths.map((path) => relative(folder, path)).toSorted();

describe('files', () => {
  const top = [
    '.dot.log',
    'b1.log',
    'b[1].log',
    'link.log',
    'pq.log',
    'x.log',
    'y.log',
    'z(1).log',
  ];
  const below = ['.hid/h.log', 'd/m.log', 'd/sub/n.log', 'e/d/m.log'];
  test.each([
    ['x.log', ['x.log']],
    ['*.log', top],
    ['*', top],
    ['?.log', ['x.log', 'y.log']],
    ['[xy].log', ['x.log', 'y.log']],
    ['[!x].log', ['y.log']],
    ['[^x].log', ['y.log']],
    ['[a-c]1.log', ['b1.log']],
    ['{x,y}.log', ['x.log', 'y.log']],
    ['p{q}.log', ['pq.log']],
    ['{x,d/m,d/**}.log', ['d/m.log', 'd/sub/n.log', 'x.log']],
    // The documentation of the agent promises that: every .log of the tree.
    ['**.log', [...top, ...below]],
    ['d/**.log', ['d/m.log', 'd/sub/n.log']],
    ['**/*.log', [...top, ...below]],
    ['**/m.log', ['d/m.log', 'e/d/m.log']],
    ['**', [...top, ...below]],
    ['d/sub/**', ['d/sub/n.log']],
    // Here a link is as good as a folder, there it may be a loop.
    ['*/m.log', ['d/m.log', 'way/m.log']],
    ['d/sub/loop/m.log', ['d/sub/loop/m.log']],
    ['z(1).log', ['z(1).log']],
    ['b[1].log', ['b1.log']],
    [String.raw`b\[1\].log`, ['b[1].log']],
    ['x.log{', []],
    ['[x.log', []],
    ['d//./m.log', ['d/m.log']],
    ['none/*.log', []],
    ['x.log/*', []],
  ])('%s', async (pattern, expected) => {
    const found = sorted(await systemLogFiles.expand(join(folder, pattern)));
    expect(found).toEqual(expected.toSorted());
    const glob = createGlob(join(folder, pattern));
    expect(found.filter((path) => !glob.matches(join(folder, path)))).toEqual([]);
  });

  test.each(['*.log', '[^x].log', '**.log', 'd/*'])('%s is no more than that', (pattern) => {
    const glob = createGlob(join('/log', pattern));
    expect(['/log', '/log/x', '/logs/y.log', '/y.log', '/log/d'].filter(glob.matches)).toEqual([]);
  });
});

test.each([
  '[z-a].log',
  '[a-\\]b.log',
  '{a}}.log',
  '{{a}.log',
  '\\{a}.log',
  '[{]x}.log',
  '{foo/bar.log',
  'a{,b.log',
])('%s is no pattern, or half of one: text, and no end of everything', (name) => {
  const text = name.replaceAll(/\\(.)/g, '$1');
  const glob = createGlob(`/log/${name}`);
  const names = new Set(['x.log', '{x}.log', text, name]);
  expect([...names].filter((one) => glob.matches(`/log/${one}`)).length).toBe(1);
});

describe('folders', () => {
  test.each([
    ['*.log', ['']],
    ['d/m.log', ['d']],
    ['none/*.log', ['none']],
    ['*/m.log', ['', '.hid', 'd', 'e', 'way']],
    ['*/sub/*.log', ['', '.hid', 'd', 'd/sub', 'e', 'way', 'way/sub']],
    ['d/**.log', ['d', 'd/sub']],
    ['{d,e/d}/m.log', ['', '.hid', 'd', 'd/sub', 'e', 'e/d']],
  ])('%s', async (pattern, expected) => {
    const found = sorted(await systemLogFiles.expandFolders(join(folder, pattern)));
    expect(found).toEqual(expected.toSorted());
    const glob = createGlob(join(folder, pattern));
    expect(found.filter((path) => !glob.mayHold(join(folder, path)))).toEqual([]);
    expect([dirname(folder), `${folder}x`].filter(glob.mayHold)).toEqual([]);
  });

  test('that cannot hold a file are not looked into', () => {
    const glob = createGlob('/log/*/app/*.log');
    expect(['/log/a', '/log/a/app'].every(glob.mayHold)).toBe(true);
    expect(['/log/a/web', '/log/a/app/x', '/lo'].some(glob.mayHold)).toBe(false);
  });
});
