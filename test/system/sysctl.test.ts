// Reading and writing /proc/sys: what cannot be written says what to do.
import { expect, test } from 'vitest';
import { sysctlError, systemSysctl } from '../../src/system/sysctl.ts';

test('reads a value without its line end, and knows when there is none', async () => {
  expect(await systemSysctl.read('net/ipv4/conf/lo/rp_filter')).toMatch(/^\d+$/);
  expect(await systemSysctl.read('net/ipv4/conf/no-such-device/rp_filter')).toBeUndefined();
  expect(await systemSysctl.isWritable('net/ipv4/conf/no-such-device/rp_filter')).toBe(false);
});

test.each(['EROFS', 'EACCES', 'EPERM'])('%s: what to give', (code) => {
  const cause = Object.assign(new Error(code), { code });
  const error = sysctlError('net/ipv6/conf/eth1/accept_ra', '0', cause);
  expect(error.code).toBe('not-permitted');
  expect(error.message).toMatch(
    /^cannot set net\/ipv6\/conf\/eth1\/accept_ra to 0: give berth CAP_NET_ADMIN/,
  );
});

test('any other failure is one of the disk', async () => {
  await expect(systemSysctl.write('net/no/such/value', '1')).rejects.toMatchObject({
    code: 'disk',
  });
});
