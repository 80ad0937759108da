// The `berth:` key in every wrapping that user data comes in, and silence about all other user data.
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseUserData } from '../../src/boot/user-data.ts';

const none = { kind: 'none', warning: undefined };
const document = '#cloud-config\npackages: [git]\nberth:\n  pool: web\n';
const config = { kind: 'config', value: { pool: 'web' } };

const parse = (data: string | Uint8Array) => parseUserData(Buffer.from(data as string));

const multipart = (type: string, body: string, encoding = '7bit') =>
  `Content-Type: multipart/mixed; boundary="===b=="
MIME-Version: 1.0

preamble

#cloud-config
berth: {pool: preamble}
--===b==
Content-Type: text/x-shellscript; charset="us-ascii"

#!/bin/sh
echo berth: no
--===b==
Content-Type: ${type}; charset="us-ascii"
MIME-Version: 1.0
Content-Transfer-Encoding: ${encoding}

${body}
--===b==--
`;

describe('a configuration', () => {
  test.each([
    ['plain', document],
    ['with CRLF', document.replaceAll('\n', '\r\n')],
    ['a template', `## template: jinja\n${document}`],
    ['a template with CRLF', `## template: jinja\n${document}`.replaceAll('\n', '\r\n')],
    ['gzip', gzipSync(document)],
    ['base64', Buffer.from(document).toString('base64')],
    [
      'base64 in lines',
      Buffer.from(document)
        .toString('base64')
        .replaceAll(/(.{20})/g, '$1\n'),
    ],
    ['base64 of gzip', gzipSync(document).toString('base64')],
    ['a MIME part', multipart('text/cloud-config', document)],
    ['a MIME part with CRLF', multipart('text/cloud-config', document).replaceAll('\n', '\r\n')],
    [
      'a MIME part that the type alone declares',
      multipart('text/cloud-config', 'berth: {pool: web}'),
    ],
    ['a MIME part that its first line declares', multipart('text/plain', document)],
    [
      'a base64 MIME part',
      multipart('text/cloud-config', Buffer.from(document).toString('base64'), 'base64'),
    ],
    [
      'a quoted MIME part',
      multipart('text/cloud-config', 'berth: {=\npool: w=65b}', 'quoted-printable'),
    ],
    ['a gzip of a multipart', gzipSync(multipart('text/cloud-config', document))],
    ['20 KB', `${document}x: "${'y'.repeat(20_000)}"\n`],
  ])('%s', async (_, data) => {
    expect(await parse(data)).toEqual(config);
  });

  test('as JSON text', async () => {
    const text = '#cloud-config\nberth: |\n  {"pool": "web"}\n';
    expect(await parse(text)).toEqual({ kind: 'config', value: '{"pool": "web"}\n' });
  });

  test('of the wrong form is still ours to judge', async () => {
    expect(await parse('#cloud-config\nberth:\n')).toEqual({ kind: 'config', value: null });
  });
});

test.each(['/berth/web', 'ssm:/berth/web', "'/berth/web'"])('a parameter: %s', async (value) => {
  const found = await parse(`#cloud-config\nberth: ${value}\n`);
  expect(found).toEqual({ kind: 'parameter', name: '/berth/web' });
});

test('a parameter with a label', async () => {
  const found = await parse('#cloud-config\nberth: ssm:/berth/web:prod\n');
  expect(found).toEqual({ kind: 'parameter', name: '/berth/web:prod' });
});

test.each([
  ['berth: [ssm:/berth/base, "/berth/web/"]', '/berth/base /berth/web/'],
  ['berth: /berth/base, ssm:/berth/web:prod', '/berth/base, ssm:/berth/web:prod'],
])('several parameters: %s', async (line, name) => {
  const found = await parseUserData(Buffer.from(`#cloud-config\n${line}\n`));
  expect(found).toEqual({ kind: 'parameter', name });
});

describe('not for us', () => {
  test.each([
    ['nothing', ''],
    ['a script', '#!/bin/sh\necho "berth: x"\n'],
    ['a cloud-config of others', '#cloud-config\npackages: [git]\n'],
    ['a broken cloud-config of others', '#cloud-config\npackages: [git\n'],
    ['a word in a cloud-config of others', '#cloud-config\nruncmd: [berth status]\n'],
    ['a list', '#cloud-config\n- berth\n'],
    ['something like cloud-config', '#cloud-config-archive\n- berth: x\n'],
    ['binary', Buffer.from([0xff, 0xfe, 0, 1, 2, 3])],
    ['a document with broken UTF-8', Buffer.concat([Buffer.from(document), Buffer.of(0xff)])],
    ['wrappings without end', gzipSync(gzipSync(gzipSync(gzipSync(document))))],
    ['a multipart without end or parts', 'Content-Type: multipart/mixed; boundary=x\n\n'],
    ['a multipart without boundary', 'Content-Type: multipart/mixed\n\nberth: x'],
    ['20 KB of letters', 'A'.repeat(20_000)],
    ['20 KB of blanks', `${' '.repeat(20_000)}!`],
  ])('%s', async (_, data) => {
    expect(await parse(data)).toEqual(none);
  });

  test('a bomb is not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect(await parse(bomb)).toMatchObject({
      kind: 'none',
      warning: expect.stringContaining('gzip'),
    });
  });
});

describe('a warning, and no content', () => {
  test.each([
    [
      'YAML',
      '#cloud-config\nberth: {pool: SECRET\n',
      'user data is cloud-config that is no YAML (line 3)',
    ],
    [
      'a template',
      '## template: jinja\n#cloud-config\n{% if SECRET %}\nberth: {pool: web}\n{% endif %}\n',
      'user data is cloud-config that is no YAML',
    ],
    ['a tag', '#cloud-config\nberth: *SECRET\n', 'user data is cloud-config that is no YAML'],
    ['gzip', gzipSync(document).subarray(0, 20), 'user data is gzip that cannot be unpacked'],
    [
      'a MIME part',
      multipart('text/cloud-config', 'berth: [SECRET'),
      'user data is cloud-config that is no YAML (line 1)',
    ],
  ])('broken %s', async (_, data, warning) => {
    const found = await parse(data);
    expect(found).toMatchObject({ kind: 'none', warning: expect.stringContaining(warning) });
    expect(JSON.stringify(found)).not.toContain('SECRET');
  });
});

test('never throws, whatever the bytes', async () => {
  const piece = fc.constantFrom(
    '#cloud-config\n',
    'berth: ',
    'pool: web\n',
    '\n',
    '---\n',
    '&a [*a]',
    '{',
    '!!binary x',
    'Content-Type: multipart/mixed; boundary=b\n\n',
    '--b\n',
    '--b--\n',
    '\u0000',
  );
  const wild = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(fc.oneof(piece, fc.string()), { maxLength: 12 })
      .map((all) => Buffer.from(all.join(''))),
  );
  const wrap = fc.constantFrom(
    (data: Buffer) => data,
    (data: Buffer) => gzipSync(data),
    (data: Buffer) => Buffer.from(data.toString('base64')),
  );
  await fc.assert(
    fc.asyncProperty(wild, wrap, async (data, wrapped) => {
      expect(['none', 'config', 'parameter']).toContain((await parseUserData(wrapped(data))).kind);
    }),
    { numRuns: 500 },
  );
});
