// Random sets of ENIs on the real kernel: whatever was there before, the plan is reached in one batch for each family, a
// second apply has nothing to do, and afterwards the kernel is as it was. A failure names the seed that replays it.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClaimedEni } from '../../src/model/eni.ts';
import type { RoutePlan } from '../../src/model/routes.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { removeRoutes } from '../../src/route/remove.ts';
import { applyRoutes } from '../../src/route/route.ts';
import { verifyRoutes } from '../../src/route/verify.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';
import { inNamespaces, needsNamespaces } from '../lab/environment.ts';
import { createHost, type Host } from '../lab/host.ts';
import { createInside, type Inside } from '../lab/inside.ts';
import { ipBatch } from '../lab/namespace.ts';

const { signal } = new AbortController();
const host = `property-${process.pid}`;
const router = `property-router-${process.pid}`;
const macs = ['02:00:00:00:01:20', '02:00:00:00:01:30'] as const;
const firstSeed = 1;
const seeds = 12;
const stepsPerSeed = 4;

let namespaces: readonly Host[];
let inside: Inside;
let batches: number;

function ip(...args: readonly string[]): string {
  return execFileSync('ip', ['-n', host, ...args], { encoding: 'utf8' });
}

function snapshot(): string {
  const lines = ['-4', '-6'].flatMap((family) => [
    ...ip(family, '-details', 'rule').split('\n'),
    ...ip(family, '-details', 'route', 'show', 'table', 'all').split('\n'),
  ]);
  const addresses = ip('-oneline', 'addr').replaceAll(/valid_lft.*/g, '');
  return [...lines.toSorted(), addresses].join('\n');
}

type Draw = (most: number) => number;

/** Up to six addresses and two prefixes of each family, in one of three subnets, at any index. */
function drawClaimed(draw: Draw, nth: 0 | 1): ClaimedEni {
  const subnet = 1 + draw(3);
  const first = 20 + 100 * nth;
  const some = (most: number, name: (n: number) => string): readonly string[] => [
    ...new Set(Array.from({ length: draw(most + 1) }, (_, n) => name(n + draw(2)))),
  ];
  const ipv4 = [
    ...new Set([first + draw(3), ...some(5, String).map((n) => first + 3 + Number(n))]),
  ];
  const hasIpv6 = draw(2) === 1;
  const ipv6 = [...new Set(hasIpv6 ? [draw(9), 10 + draw(9), 20 + draw(9)].slice(draw(3)) : [])];
  return claimedEni({
    eni: {
      eniId: `eni-${nth}`,
      mac: macs[nth],
      ipv4: ipv4.map((n) => `10.0.${subnet}.${n}`),
      ipv4Prefixes: some(
        2,
        (n) => `10.0.${subnet}.${first + 40 + 16 * n - ((first + 40) % 16)}/28`,
      ),
      ipv6: ipv6.map((n) => `2001:db8:${subnet}::${nth + 1}${n}`),
      ipv6Prefixes:
        ipv6.length > 0 ? some(1, (n) => `2001:db8:${subnet}:0:${nth + 1}:${n}::/96`) : [],
    },
    subnet: { ipv4Cidr: `10.0.${subnet}.0/24`, ipv6Cidrs: [`2001:db8:${subnet}::/64`] },
    // Each on its own side, as two pools of an instance have them.
    deviceIndex: 1 + nth + 2 * draw(3),
  });
}

function planOf(claimed: ClaimedEni): RoutePlan {
  return planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting });
}

describe.skipIf(!inNamespaces)(`routing of random ENIs${needsNamespaces}`, () => {
  beforeAll(async () => {
    namespaces = [await createHost(host), await createHost(router)];
    await ipBatch(
      [0, 1, 2].flatMap((n) => [
        `link add port${n} mtu 9001 type veth peer name eth${n} ${n === 0 ? '' : `address ${macs[n - 1]}`} netns ${host}`,
        ...[1, 2, 3].map((subnet) => `addr add 10.0.${subnet}.1/24 dev port${n}`),
        `link set dev port${n} up`,
      ]),
      router,
    );
    await ipBatch(
      [
        ...[0, 1, 2].map((n) => `link set dev eth${n} addrgenmode none`),
        'link set dev eth0 up',
        'addr add 10.0.1.10/24 dev eth0',
        'route add default via 10.0.1.1',
      ],
      host,
    );
    const real = createInside({ namespace: host, ask: (command) => namespaces[0]!.ask(command) });
    inside = {
      ...real,
      exec: {
        ...real.exec,
        run: (input, abort) => {
          // Reads ask for JSON.
          if (input.argv.includes('-batch') && !input.argv.includes('-json')) batches++;
          return real.exec.run(input, abort);
        },
      },
    };
  });
  afterAll(async () => {
    for (const namespace of namespaces) await namespace[Symbol.asyncDispose]();
  });

  test.each(Array.from({ length: seeds }, (_, n) => firstSeed + n))(
    'seed %i',
    { timeout: 60_000 },
    async (seed) => {
      const random = createSeededRandom(seed);
      const draw: Draw = (most) => Math.floor(random.next() * most);
      const before = snapshot();
      const logged = inside.log.lines.length;
      const held: (RoutePlan | undefined)[] = [undefined, undefined];
      for (let step = 0; step < stepsPerSeed; step++) {
        const nth = draw(2) as 0 | 1;
        const wanted = planOf(drawClaimed(draw, nth));
        batches = 0;
        const { plan } = await applyRoutes(inside, wanted, signal);
        held[nth] = plan;
        expect({ step, batches: batches <= 2 }).toEqual({ step, batches: true });
        expect({ step, logged: inside.log.lines.slice(logged) }).toEqual({ step, logged: [] });
        batches = 0;
        const again = await applyRoutes(inside, wanted, signal);
        expect({ step, changes: again.changes, batches }).toEqual({
          step,
          changes: [],
          batches: 0,
        });
        // The other one is as it was.
        for (const one of held.filter((plan) => plan !== undefined))
          expect(await verifyRoutes(inside, one, signal)).toEqual([]);
      }
      for (const one of held) if (one !== undefined) await removeRoutes(inside, one, signal);
      expect(snapshot()).toBe(before);
    },
  );
});
