// The routing matrix as a test: TCP, UDP and ping, both families, from every peer position to every address of an instance
// with two claimed ENIs. `npm run bench:route` prints all of it, beside the layouts of others.
import { describe, expect, test } from 'vitest';
import { hasProgram, inNamespaces, needsNamespaces } from '../lab/environment.ts';
import { ipBatch } from '../lab/namespace.ts';
import { createGround, ports, peers, type Placement } from '../lab/route-ground.ts';
import { berthLayout } from '../lab/route-layouts.ts';
import { probeAll } from '../lab/route-matrix.ts';

const placements: readonly Placement[] = ['same', 'other'];
const where = { same: "the primary's subnet", other: 'another subnet' } as const;
const ping = hasProgram('ping');
const perAddress = peers.length * (ping ? 3 : 2);

const all = (addresses: number): unknown => ({
  ok: addresses * perAddress,
  of: addresses * perAddress,
});

describe.skipIf(!inNamespaces)(`two claimed ENIs${needsNamespaces}`, () => {
  test.each(placements.map((placement) => [where[placement], placement] as const))(
    'in %s: everything is answered, and nothing leaves by the wrong interface',
    { timeout: 60_000 },
    async (_where, placement) => {
      await using ground = await createGround(placement, 2);
      await ground.setRpFilter('1');
      await berthLayout().apply(ground);
      await ground.serve();
      const { any, ...scores } = Object.fromEntries(await probeAll(ground, { ping }));
      expect(scores).toEqual({
        'ENI, v4': all(4),
        'ENI, v6': all(2),
        'primary, v4': all(2),
        'primary, v6': all(1),
      });
      // A server on 0.0.0.0 answers from the primary (README, Limits): the day that this works it can go from there.
      expect(any!.ok).toBe(0);
      expect(await ground.vpc.wrongSourceDrops()).toBe(0);
    },
  );

  test('an address of a delegated prefix, on lo: answered from every position', async () => {
    await using ground = await createGround('other', 1, { ipv4Prefixes: ['10.0.2.64/28'] });
    await berthLayout().apply(ground);
    await ground.vpc.serve(ground.host, ports.tcp);
    await ipBatch(['route add 10.0.2.65/32 dev port5']);
    await ipBatch(['addr add 10.0.2.65/32 dev lo'], ground.host);
    for (const peer of peers) {
      expect(await ground.vpc.probe(peer, '10.0.2.65', ports.tcp, 3_000)).toMatchObject({
        ok: true,
        answer: { host: ground.host },
      });
    }
    expect(await ground.vpc.wrongSourceDrops()).toBe(0);
  });
});
