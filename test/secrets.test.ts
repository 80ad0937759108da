// The mask over secrets: every form of one, and nothing else.
import { afterEach, describe, expect, test } from 'vitest';
import { createLog } from '../src/log.ts';
import { forgetSecrets, maskSecrets, maskSecretsIn, rememberSecret } from '../src/secrets.ts';

afterEach(forgetSecrets);

describe('maskSecrets', () => {
  test('without a secret nothing is changed', () => {
    const status = { a: 'secret', b: undefined };
    expect(maskSecrets('a secret')).toBe('a secret');
    expect(maskSecretsIn(status)).toBe(status);
  });

  test.each([
    ['plain', 'hunter22', 'token=hunter22;hunter22'],
    ['with quotes, in JSON', 'a"b\\c"d', JSON.stringify({ at: 'x', why: 'a"b\\c"d' })],
    ['in a URL', 'p@ss word/1', `https://h/?t=${encodeURIComponent('p@ss word/1')}`],
    ['in base64', 'hunter22', `Basic ${Buffer.from('hunter22').toString('base64')}`],
    ['a line of it', 'first line\nsecond line\n', 'error near: second line'],
    ['trimmed', '  hunter22\n', 'got hunter22.'],
  ])('%s', (_name, secret, text) => {
    rememberSecret(secret);
    const masked = maskSecrets(text);
    expect(masked).toContain('***');
    for (const part of secret.split('\n').filter(Boolean))
      expect(masked).not.toContain(part.trim());
  });

  test('the longer one goes first, and what is short stays', () => {
    rememberSecret('abcdef');
    rememberSecret('abcdefgh');
    rememberSecret('one\nab\n');
    expect(maskSecrets('abcdefgh abcdef one ab')).toBe('*** *** one ab');
  });

  test('a status keeps its keys, whatever the secret is', () => {
    rememberSecret('version');
    const status = { version: '1', pools: [{ message: 'version 2', ready: true, eni: undefined }] };
    expect(maskSecretsIn(status)).toEqual({
      version: '1',
      pools: [{ message: '*** 2', ready: true, eni: undefined }],
    });
  });

  test('the log masks messages, errors with their stacks and causes, and what hangs on them', () => {
    rememberSecret('hunter22');
    const lines: string[] = [];
    const log = createLog('debug', (line) => lines.push(line));
    const cause = new Error('hunter22 was refused');
    const error = Object.assign(new Error('cannot use hunter22', { cause }), {
      details: { argv: ['curl', 'hunter22'] },
    });
    log.error({ err: error, hunter22: 1 }, 'it is hunter22');
    log.child({ pool: 'hunter22' }).info('x');
    expect(lines.join('')).toContain('cannot use ***');
    expect(lines.join('')).not.toContain('hunter22');
  });
});
