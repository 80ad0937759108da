// The changelog of the .deb, read by Debian's own reader.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { debianChangelog } from '../../packaging/debian-changelog.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { hasProgram } from '../lab/environment.ts';

const markdown = '# Changelog\n\n## 2.0.0\n\nProse.\n\n- New.\n- Other.\n\n## 1.0.0\n\n- Old.\n';
const reason = hasProgram('dpkg-parsechangelog') ? '' : ' (skipped: apt-get install dpkg-dev)';

describe('the changelog of the .deb', () => {
  test('has the newest section alone', () => {
    expect(debianChangelog(markdown, '2.0.0', 0)).toBe(
      [
        'berth (2.0.0) stable; urgency=medium',
        '',
        '  * New.',
        '  * Other.',
        '',
        ' -- The berth authors <berth@localhost>  Thu, 01 Jan 1970 00:00:00 +0000',
        '',
      ].join('\n'),
    );
  });

  test.skipIf(reason !== '')(`dpkg reads it${reason}`, () => {
    using folder = temporaryFolder();
    const own = readFileSync(join(import.meta.dirname, '..', '..', 'CHANGELOG.md'), 'utf8');
    const file = folder.file('changelog', debianChangelog(own, '0.1.0', 1_790_000_000));
    const read = execFileSync('dpkg-parsechangelog', ['-l', file], { encoding: 'utf8' });
    expect(read).toContain('Version: 0.1.0');
    expect(read).toContain('Timestamp: 1790000000');
    expect(file).not.toBe('');
  });
});
