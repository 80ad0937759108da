// berth(8): both formatters take it without a word, and it has every command with every flag.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { manPage } from '../../packaging/man-page.ts';
import { commands } from '../../src/commands/commands.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { hasProgram } from '../lab/environment.ts';

const prose = readFileSync(
  join(import.meta.dirname, '..', '..', 'packaging', 'files', 'berth.8'),
  'utf8',
);
const page = manPage(prose, Date.UTC(2026, 1, 3) / 1000);

function format(program: string, args: readonly string[]) {
  using folder = temporaryFolder();
  const env = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', MANWIDTH: '200' };
  const file = folder.file('berth.8', page);
  const { status, stdout, stderr } = spawnSync(program, [...args, file], { encoding: 'utf8', env });
  return { status, stdout, stderr };
}

const mandoc = hasProgram('mandoc') ? '' : ' (skipped: apt-get install mandoc)';
const man = hasProgram('man') ? '' : ' (skipped: apt-get install man-db groff)';

describe('the manual page', () => {
  test.skipIf(mandoc !== '')(`mandoc has nothing to say${mandoc}`, () => {
    const { status, stdout } = format('mandoc', ['-T', 'lint', '-W', 'style']);
    // The index of installed pages is the machine's.
    expect(stdout.split('\n').filter((line) => line !== '')).toEqual([]);
    expect(status).toBe(0);
  });

  test.skipIf(mandoc !== '')(`shows each command with its flags and example${mandoc}`, () => {
    const { stdout } = format('mandoc', ['-T', 'ascii', '-O', 'width=300']);
    const text = stdout.replaceAll(new RegExp(`.${String.fromCodePoint(8)}`, 'g'), '');
    expect(text).toContain('February 3, 2026');
    for (const [name, { summary, flags, example }] of Object.entries(commands)) {
      expect(text).toMatch(new RegExp(String.raw`^ +berth ${name}\b`, 'm'));
      for (const piece of [summary, example, ...flags.flat()]) expect(text).toContain(piece);
    }
    expect(text).not.toContain('@');
  });

  test.skipIf(man !== '')(`groff has nothing to say${man}`, () => {
    expect(format('man', ['--warnings', '--local-file'])).toMatchObject({ status: 0, stderr: '' });
  });
});
