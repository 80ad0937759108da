// The record of the claim: a hint that no disk can turn into a failure.
import { describe, expect, test } from 'vitest';
import { createClaimRecords, type ClaimRecord } from '../../src/claim/record.ts';
import { BerthError } from '../../src/errors.ts';
import type { Files } from '../../src/system/files.ts';
import { createMemoryLog } from '../fakes/log.ts';

const path = '/state/i-1/claims.json';

function create(change: Partial<Files> = {}) {
  const content = new Map<string, string>();
  const log = createMemoryLog();
  const files: Files = {
    readText: (path) => Promise.resolve(content.get(path)),
    writeAtomic: (path, text) => Promise.resolve(void content.set(path, text)),
    remove: (path) => Promise.resolve(void content.delete(path)),
    ...change,
  };
  const over = (instanceId: string, pool: string): ClaimRecord =>
    createClaimRecords({ files, log }, { stateDir: '/state', instanceId }).of(pool);
  return { content, log, over, record: over('i-1', 'db') };
}

const full = (): Promise<never> =>
  Promise.reject(new BerthError('disk', 'cannot write: the disk is full'));

describe('record', () => {
  test('remembers one ENI, until it is cleared', async () => {
    const { record, content } = create();
    expect(await record.load()).toBeUndefined();
    await record.save('eni-1');
    expect(content.get(path)).toBe('{"db":"eni-1"}\n');
    expect(await record.load()).toBe('eni-1');
    await record.clear();
    expect(await record.load()).toBeUndefined();
  });

  test('says nothing to another instance (an AMI of this one) or of another pool', async () => {
    const { record, over } = create();
    await record.save('eni-1');
    expect(await over('i-2', 'db').load()).toBeUndefined();
    expect(await over('i-1', 'web').load()).toBeUndefined();
  });

  test.each([
    '',
    '{',
    'null',
    '[]',
    '"eni-1"',
    '{"db":7}',
    '{"db":"i-1"}',
    '{"db":{"eniId":"eni-1"}}',
    '\0\0\0',
  ])('garbage is no record: %j', async (text) => {
    const { record, content } = create();
    content.set(path, text);
    expect(await record.load()).toBeUndefined();
  });

  test('a disk that fails is said, and stops nothing', async () => {
    const { record, log } = create({ readText: full, writeAtomic: full, remove: full });
    expect(await record.load()).toBeUndefined();
    await record.save('eni-1');
    expect(await record.load()).toBe('eni-1');
    await record.clear();
    expect(log.lines.map(({ level, msg }) => [level, msg])).toEqual(
      ['load', 'save', 'clear'].map(() => [
        'warn',
        'cannot write: the disk is full; the claim goes on without its record',
      ]),
    );
  });
});
