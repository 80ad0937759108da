// Holds the layers: who may import whom, and where the outside world begins.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const src = join(import.meta.dirname, '..', 'src');

/** Each layer of src, and the layers that it may import. A stage never imports another stage. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  launch: ['system'],
  main: ['commands', 'log', 'errors', 'model'],
  commands: [
    'daemon',
    'doctor',
    'boot',
    'claim',
    'route',
    'ship',
    'tell',
    'files',
    'system',
    'log',
    'secrets',
    'errors',
    'model',
  ],
  daemon: [
    'serve-instance',
    'serve',
    'sending',
    'start',
    'reload',
    'boot',
    'claim',
    'route',
    'ship',
    'tell',
    'files',
    'system',
    'log',
    'secrets',
    'errors',
    'model',
  ],
  doctor: [
    'boot',
    'claim',
    'route',
    'ship',
    'tell',
    'files',
    'system',
    'log',
    'secrets',
    'errors',
    'model',
  ],
  'serve-instance': [
    'in-service',
    'heed',
    'serve-pools',
    'serve',
    'boot',
    'claim',
    'route',
    'tell',
    'system',
    'log',
    'secrets',
    'errors',
    'model',
  ],
  'in-service': ['boot', 'tell', 'system', 'log', 'secrets', 'errors', 'model'],
  reload: ['boot', 'tell', 'system', 'log', 'secrets', 'errors', 'model'],
  start: ['boot', 'claim', 'system', 'log', 'secrets', 'errors', 'model'],
  sending: ['ship', 'system', 'log', 'secrets', 'errors', 'model'],
  heed: ['serve', 'tell', 'system', 'log', 'secrets', 'errors', 'model'],
  'serve-pools': ['serve', 'claim', 'route', 'tell', 'system', 'log', 'secrets', 'errors', 'model'],
  serve: ['claim', 'route', 'tell', 'system', 'log', 'secrets', 'errors', 'model'],
  boot: ['system', 'log', 'secrets', 'errors', 'model'],
  claim: ['system', 'log', 'secrets', 'errors', 'model'],
  route: ['system', 'log', 'secrets', 'errors', 'model'],
  ship: ['system', 'log', 'secrets', 'errors', 'model'],
  tell: ['system', 'log', 'secrets', 'errors', 'model'],
  files: ['system', 'log', 'secrets', 'errors', 'model'],
  system: ['log', 'errors', 'model'],
  log: ['secrets', 'errors', 'model'],
  secrets: [],
  errors: ['model'],
  model: [],
};

const files = globSync('**/*.ts', { cwd: src });

/** `boot/imds.ts` -> `boot`; `daemon.ts` -> `daemon`. */
function layerOf(file: string): string {
  return file.split('/')[0]!.replace(/\.ts$/, '');
}

function importsOf(file: string): readonly string[] {
  const text = readFileSync(join(src, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}

describe('architecture', () => {
  test('there is source to judge', () => {
    expect(files.length).toBeGreaterThan(10);
  });

  test.each(files)('%s imports only what its layer may', (file) => {
    const layer = layerOf(file);
    expect(Object.keys(mayImport), `${file} is in no known layer`).toContain(layer);
    const bad = importsOf(file)
      // The version comes from the package itself.
      .filter((target) => target.startsWith('.') && target !== '../../package.json')
      .map((target) => layerOf(relative(src, join(src, dirname(file), target))))
      .filter((target) => target !== layer && !mayImport[layer]!.includes(target));
    expect(bad).toEqual([]);
  });

  test.each(files)('%s is at most two folders deep, in kebab-case, and no grab bag', (file) => {
    expect(file.split('/').length).toBeLessThanOrEqual(2);
    expect(file).toMatch(/^([a-z]+\/)?[a-z0-9]+(-[a-z0-9]+)*\.ts$/);
    expect(file).not.toMatch(/(^|\/)(index|utils?|helpers?|common|misc)\.ts$/);
  });

  test.each(files)('%s says in its first line what it owns', (file) => {
    expect(readFileSync(join(src, file), 'utf8')).toMatch(/^(#!.*\n)?\/\/ \S.{15,}/);
  });
});
