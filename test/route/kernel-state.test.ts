// Reads what iproute2 6.1 really printed (kernel 6.18).
import { describe, expect, test } from 'vitest';
import { loadKernelState, parseAddresses, parseRule } from '../../src/route/kernel-state.ts';
import type { Exec } from '../../src/system/exec.ts';

const { signal } = new AbortController();

const rules4 = `[{"priority":0,"src":"all","table":"255","protocol":"2"},{"priority":9500,"src":"10.0.1.20","table":"20001","protocol":"2"},{"priority":9500,"src":"10.0.1.64","srclen":28,"table":"20001","protocol":"2"},{"priority":9500,"src":"all","oif":"eth1","oif_detached":null,"table":"20001","protocol":"2"}]`;
const routes4 = `[{"type":"1","dst":"default","gateway":"10.0.1.1","dev":"eth1","table":"20001","protocol":"2","scope":"0","prefsrc":"10.0.1.20","flags":[]},{"type":"7","dst":"default","table":"20001","protocol":"2","scope":"0","metric":4294967295,"flags":[]},{"type":"1","dst":"10.0.1.0/24","dev":"eth0","protocol":"2","scope":"253","prefsrc":"10.0.1.10","flags":[]},{"type":"2","dst":"10.0.1.10","dev":"eth0","table":"255","protocol":"2","scope":"254","prefsrc":"10.0.1.10","flags":[]}]`;
const addresses4 = `[{"ifindex":5,"ifname":"eth1","flags":["BROADCAST","UP","LOWER_UP"],"mtu":9001,"addr_info":[{"family":"inet","local":"10.0.1.20","prefixlen":24,"scope":"0","noprefixroute":true,"label":"eth1"},{"family":"inet","local":"10.0.1.21","prefixlen":32,"scope":"0","dynamic":true,"label":"eth1"}]}]`;
const link = `[{"ifindex":5,"ifname":"eth1","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":9001,"address":"02:00:00:00:01:20"}]`;

/** Answers the batches of `loadKernelState`. */
function execWith(answer: (family: '-4' | '-6', stdin: string) => Partial<Answer>): Exec {
  return {
    run: ({ argv, stdin }) => {
      const found = answer(argv[1] as '-4' | '-6', stdin ?? '');
      return Promise.resolve({ code: 0, stdout: '', stderr: '', ...found });
    },
    follow: () => Promise.resolve(),
  };
}
type Answer = { readonly code: number; readonly stdout: string; readonly stderr: string };

describe('loadKernelState', () => {
  test('reads rules, routes, addresses and the device', async () => {
    const exec = execWith((family) =>
      family === '-4'
        ? { stdout: `${[rules4, routes4, addresses4, link].join('\n')}\n` }
        : { stdout: '[]\n[]\n[]\n[]\n' },
    );
    const state = await loadKernelState({ exec }, 'eth1', signal);
    expect(state.link).toEqual({
      ifname: 'eth1',
      index: 5,
      mac: '02:00:00:00:01:20',
      mtu: 9001,
      up: true,
      carrier: true,
      group: 0,
    });
    expect(state.ipv4.rules.map(({ from, oif, detached }) => ({ from, oif, detached }))).toEqual([
      { from: 'all', oif: undefined, detached: false },
      { from: '10.0.1.20/32', oif: undefined, detached: false },
      { from: '10.0.1.64/28', oif: undefined, detached: false },
      { from: 'all', oif: 'eth1', detached: true },
    ]);
    expect(state.ipv4.routes[0]).toEqual({
      table: 20001,
      type: '1',
      dst: 'default',
      via: '10.0.1.1',
      dev: 'eth1',
      src: '10.0.1.20',
      scope: '0',
      metric: 0,
      protocol: '2',
    });
    expect(state.ipv4.routes.map(({ table, type, dst }) => `${table} ${type} ${dst}`)).toEqual([
      '20001 1 default',
      '20001 7 default',
      '254 1 10.0.1.0/24',
      '255 2 10.0.1.10/32',
    ]);
    expect(state.ipv4.addresses).toEqual([
      {
        address: '10.0.1.20/24',
        noPrefixRoute: true,
        dynamic: false,
        secondary: false,
        unusable: false,
      },
      {
        address: '10.0.1.21/32',
        noPrefixRoute: false,
        dynamic: true,
        secondary: false,
        unusable: false,
      },
    ]);
    expect(state.ipv6).toEqual({ addresses: [], rules: [], routes: [] });
  });

  test('a device that is gone is a state, and the rules are still read', async () => {
    const stderr = 'Device "eth1" does not exist.\nCommand failed -:3\n';
    const exec = execWith(() => ({ code: 1, stdout: `${rules4}\n[]\n`, stderr }));
    const state = await loadKernelState({ exec }, 'eth1', signal);
    expect(state.link).toBeUndefined();
    expect(state.ipv4.rules).toHaveLength(4);
  });

  test('a kernel without IPv6 holds nothing of it', async () => {
    const stderr =
      'RTNETLINK answers: Operation not supported\nDump terminated\nCommand failed -:1\n';
    const exec = execWith((family) =>
      family === '-6' ? { code: 1, stdout: '[', stderr } : { stdout: '[]\n[]\n' },
    );
    const state = await loadKernelState({ exec }, undefined, signal);
    expect(state.ipv6.rules).toEqual([]);
  });

  test('an old iproute2 says so', async () => {
    const stderr = 'Option "-json" is unknown, try "ip -help".\n';
    const exec = execWith(() => ({ code: 255, stderr }));
    await expect(loadKernelState({ exec }, 'eth1', signal)).rejects.toMatchObject({
      code: 'routing-failed',
      message: expect.stringContaining('Option "-json" is unknown') as unknown,
    });
  });
});

test('a link-local address of IPv6 is the kernel’s', () => {
  const found = parseAddresses(
    {
      addr_info: [
        { family: 'inet6', local: 'fe80::ff:fe00:120', prefixlen: 64, scope: '253' },
        { family: 'inet6', local: '2001:db8::20', prefixlen: 128, scope: '0', tentative: true },
      ],
    },
    'ipv6',
  );
  expect(found).toEqual([
    {
      address: '2001:db8::20/128',
      noPrefixRoute: false,
      dynamic: false,
      secondary: false,
      unusable: true,
    },
  ]);
});

test('a rule with another selector is not one of ours', () => {
  const json = { priority: 9500, src: 'all', iif: 'eth0', table: '20001', protocol: '2' };
  expect(parseRule(json, 'ipv4').more).toEqual(['iif']);
});
