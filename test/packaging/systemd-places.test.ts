// Every file of systemd/ has a place in a package.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemdPlace } from '../../packaging/systemd-places.ts';

const files = readdirSync(join(import.meta.dirname, '..', '..', 'systemd'));

describe('systemd/', () => {
  test.each([
    ['berth.service', 'usr/lib/systemd/system/berth.service'],
    ['berth-ready.target', 'usr/lib/systemd/system/berth-ready.target'],
    ['berth-files.socket', 'usr/lib/systemd/system/berth-files.socket'],
    ['berth-files@.service', 'usr/lib/systemd/system/berth-files@.service'],
    ['80-berth.preset', 'usr/lib/systemd/system-preset/80-berth.preset'],
    ['berth.sysusers.conf', 'usr/lib/sysusers.d/berth.conf'],
    ['berth.tmpfiles.conf', 'usr/lib/tmpfiles.d/berth.conf'],
    ['01-berth.network', 'usr/lib/systemd/network/01-berth.network'],
    ['81-berth.rules', 'usr/lib/udev/rules.d/81-berth.rules'],
  ])('%s goes to %s', (name, place) => {
    expect(systemdPlace(name)).toBe(place);
  });

  test.each(files)('%s has a place of its own', (name) => {
    expect(files.filter((other) => systemdPlace(other) === systemdPlace(name))).toEqual([name]);
  });

  test('a file without a known place is not left out in silence', () => {
    expect(() => systemdPlace('berth.conf')).toThrow('cannot tell where systemd/berth.conf');
  });
});
