// Where the API models are looked for, and the cache of what was read.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findApiModels, type ApiModels } from './api-models.ts';
import { scratch } from './environment.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(scratch, 'api-models-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const model = {
  metadata: { apiVersion: '2014-11-06' },
  operations: { Get: { input: { shape: 'In' }, errors: [{ shape: 'Bad' }] }, Other: {} },
  shapes: {
    In: { type: 'structure', members: { Tags: { shape: 'Tags', documentation: '<p>...</p>' } } },
    Tags: { type: 'list', member: { shape: 'Tag' } },
    Tag: { type: 'structure', members: { documentation: { shape: 'Tags' } } },
    Bad: { type: 'structure', members: {} },
    Unused: { type: 'string' },
  },
};

/** A folder of Python packages with a botocore whose SSM has only these operations. */
function install(name: string, version: string, packed: boolean): string {
  const folder = join(root, name, 'botocore/data/ssm/2014-11-06');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(root, name, 'botocore/__init__.py'), `x = 1\n__version__ = '${version}'\n`);
  const text = JSON.stringify(model);
  if (packed) writeFileSync(join(folder, 'service-2.json.gz'), gzipSync(text));
  else writeFileSync(join(folder, 'service-2.json'), text);
  return join(root, name);
}

const find = (...names: string[]) =>
  findApiModels({ packages: names.map((name) => join(root, name)), cache: join(root, 'cache') });

test('an operation comes with every shape it reaches, and no more', () => {
  install('a', '1.44.5', true);
  const models = find('none', 'a') as ApiModels;
  expect(models.version).toBe('botocore 1.44.5');
  expect(models.operation('ssm', 'Get')).toEqual({
    apiVersion: '2014-11-06',
    input: 'In',
    errors: ['Bad'],
    shapes: {
      In: { type: 'structure', members: { Tags: { shape: 'Tags' } } },
      Tags: { type: 'list', member: { shape: 'Tag' } },
      // A member of that name is no documentation.
      Tag: { type: 'structure', members: { documentation: { shape: 'Tags' } } },
      Bad: { type: 'structure', members: {} },
    },
  });
  expect(models.operation('ssm', 'Unknown')).toBeUndefined();
  expect(models.operation('ssm', 'toString')).toBeUndefined();
  expect(models.operation('ssm', '../../Get')).toBeUndefined();
});

test('what was read once comes from the cache, of this version alone', () => {
  const folder = install('a', '1.44.5', false);
  const first = (find('a') as ApiModels).operation('ssm', 'Get');
  expect(readdirSync(join(root, 'cache/botocore-1.44.5'))).toEqual(['ssm.Get.json']);
  rmSync(join(folder, 'botocore/data'), { recursive: true });
  expect((find('a') as ApiModels).operation('ssm', 'Get')).toEqual(first);
  writeFileSync(join(folder, 'botocore/__init__.py'), "__version__ = '1.44.6'");
  expect(() => (find('a') as ApiModels).operation('ssm', 'Get')).toThrow(/ENOENT/);
});

test('a cache that cannot be written is none', () => {
  install('a', '1.44.5', false);
  writeFileSync(join(root, 'cache'), 'a file');
  expect((find('a') as ApiModels).operation('ssm', 'Get')).toBeDefined();
});

test('an old package is passed over, and without a good one the reason is told', () => {
  install('old', '1.29.27', false);
  install('new', '1.43.0', false);
  expect((find('old', 'new') as ApiModels).version).toBe('botocore 1.43.0');
  expect(find('old')).toBe(`botocore 1.29.27 in ${root}/old is older than 1.43`);
  expect(find('none')).toMatch(/^botocore is not in /);
});
