// Which way packets would go, judged from the kernel's answers.
import { describe, expect, test } from 'vitest';
import { loadKernelState } from '../../src/route/kernel-state.ts';
import { judgeLookups, parseLookups, planLookups } from '../../src/route/lookups.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { createFakeRouteDeps } from '../fakes/route-deps.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';

const { signal } = new AbortController();
const claimed = claimedEni({ eni: { ipv4: ['10.0.2.20'] }, subnet: { ipv4Cidr: '10.0.2.0/24' } });
const device = { name: 'eth1', index: 3, mac: claimed.eni.mac };
const plan = planRoutes({ claimed, device, mtu: 9001, ...plainRouting });
const lookups = planLookups(
  plan,
  await loadKernelState(createFakeRouteDeps(), 'eth1', signal),
  'ipv4',
);

/** As iproute2 6.1 prints them. */
const good = {
  free: '[{"dst":"192.0.2.1","gateway":"10.0.1.1","dev":"eth0","prefsrc":"10.0.1.10","flags":[],"uid":0,"cache":[]}]',
  external:
    '[{"dst":"192.0.2.1","from":"10.0.2.20","gateway":"10.0.2.1","dev":"eth1","table":"20001","flags":[],"uid":0,"cache":[]}]',
  neighbour:
    '[{"dst":"10.0.1.1","from":"10.0.2.20","gateway":"10.0.2.1","dev":"eth1","table":"20001","flags":[],"uid":0,"cache":[]}]',
  inbound:
    '[{"type":"2","dst":"10.0.2.20","from":"192.0.2.1","dev":"lo","table":"255","flags":[],"cache":["local"],"iif":"eth1"}]',
};

function judge(answers: Partial<typeof good>): readonly string[] {
  return judgeLookups(plan, lookups, parseLookups(Object.values(answers).join('\n')));
}

describe('lookups', () => {
  test('ask for an external host, one of the primary’s subnet, what comes in, and the primary’s own way', () => {
    expect(lookups.map(({ query }) => query)).toEqual([
      '192.0.2.1',
      '192.0.2.1 from 10.0.2.20',
      '10.0.1.1 from 10.0.2.20',
      '10.0.2.20 from 192.0.2.1 iif eth1',
    ]);
  });

  test('good answers', () => {
    expect(judge(good)).toEqual([]);
  });

  test('a host without a default route is no fault of ours', () => {
    const { external, neighbour, inbound } = good;
    expect(judge({ external, neighbour, inbound })).toEqual([]);
  });

  test.each<[string, Partial<typeof good>, string]>([
    [
      'the reply would leave by the primary',
      { external: good.external.replace('eth1', 'eth0').replace('"table":"20001",', '') },
      '"ip route get 192.0.2.1 from 10.0.2.20" leaves by eth0 (table 254), not by eth1 (table 20001)',
    ],
    [
      'another gateway',
      { external: good.external.replace('10.0.2.1"', '10.0.2.9"') },
      '"ip route get 192.0.2.1 from 10.0.2.20" goes via 10.0.2.9, not 10.0.2.1',
    ],
    ['no route', { neighbour: '' }, '"ip route get 10.0.1.1 from 10.0.2.20" finds no route'],
    [
      'the reverse path filter drops',
      { inbound: '' },
      '"ip route get 10.0.2.20 from 192.0.2.1 iif eth1" is refused: what comes in would be dropped',
    ],
    [
      'the primary’s traffic leaves by the ENI',
      { free: good.free.replace('eth0', 'eth1') },
      '"ip route get 192.0.2.1" leaves by eth1: main is not left alone',
    ],
  ])('%s', (_what, answers, problem) => {
    expect(judge({ ...good, ...answers })).toEqual([problem]);
  });
});
