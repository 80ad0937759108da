// The picture in `berth plan` and `berth status`, as it is printed.
import { expect, test } from 'vitest';
import { drawRouting } from '../../src/route/picture.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';
import { identityOf } from '../fixtures/identity.ts';

test('both families, a prefix, and the primary that stays in main', () => {
  const claimed = claimedEni({
    eni: {
      ipv4: ['10.0.2.20', '10.0.2.21'],
      ipv4Prefixes: ['10.0.2.64/28'],
      ipv6: ['2001:db8:2::20'],
    },
    subnet: { ipv4Cidr: '10.0.2.0/24', ipv6Cidrs: ['2001:db8:2::/64'] },
  });
  const device = { name: 'ens6', index: 4, mac: claimed.eni.mac };
  const plan = planRoutes({ claimed, device, mtu: 9001, ...plainRouting });
  expect(drawRouting(plan, identityOf()).join('\n')).toBe(
    `
10.0.0.0/24      [ 10.0.0.10                        ]--primary--> main table
10.0.2.0/24      [ 10.0.2.20 10.0.2.21 10.0.2.64/28 ]--ens6-----> table 20001, via 10.0.2.1
2001:db8:2::/64  [ 2001:db8:2::20                   ]--ens6-----> table 20001, via fe80:ec2::1
`.trim(),
  );
});
