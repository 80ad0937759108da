// How long a fail-over takes on virtual time, with the default settings: from the failure of the holder until its
// ENI has a device here. BERTH_TELL_SPEED=1 prints the figures.
import { expect, test } from 'vitest';
import type { FakeEc2Dials } from '../fakes/ec2.ts';
import { createStandbyWorld, type Manner } from '../fixtures/standby-world.ts';
import type { Ec2Dials } from '../lab/ec2-world.ts';

type Latencies = {
  readonly calls: FakeEc2Dials['latencyMs'];
  readonly ec2: Partial<Ec2Dials>;
};

const none: Latencies = {
  calls: () => 0,
  ec2: { attachMs: 0, deviceMs: 0, detachMs: 0, stopMs: 0 },
};
const asOnAws: Latencies = {
  calls: ({ method }) => ({ createClaim: 250, attach: 600 })[method as 'attach'] ?? 150,
  ec2: { attachMs: 1_000, deviceMs: 1_000, detachMs: 2_500, stopMs: 60_000 },
};

type Failure = Manner | 'stopped';

/** Seconds until the fence begins, and until the device is there; the holder fails `offsetMs` after a probe. */
async function failOver(
  fence: 'detach' | 'stop',
  failure: Failure,
  { calls, ec2 }: Latencies,
  offsetMs: number,
): Promise<readonly [number, number]> {
  const world = await createStandbyWorld({ dials: ec2 });
  let fencedAtMs = 0;
  const standby = world.standBy(1, {
    fence,
    dials: {
      latencyMs: calls,
      arrives: ({ method }) => {
        if (method === 'stop' || method === 'detach') fencedAtMs ||= world.time.monotonicMs();
      },
    },
  });
  await world.pass(20_000 + offsetMs);
  const startMs = world.time.monotonicMs();
  if (failure === 'stopped') world.model.stop('i-0');
  else world.manners.set('i-0', failure);
  await world.time.run(standby.claimed);
  return [(fencedAtMs - startMs) / 1000, (world.time.monotonicMs() - startMs) / 1000];
}

type Row = readonly ['detach' | 'stop', Failure, 'none' | 'as on AWS', number, number];

/** Sorted: least / median / most. */
const say = (all: readonly number[]): string =>
  [all[0]!, all[all.length / 2]!, all.at(-1)!].map((s) => s.toFixed(1)).join(' / ');

test.each<Row>([
  ['detach', 'refuses', 'none', 4, 5],
  ['detach', 'is silent', 'none', 6, 7],
  ['stop', 'is silent', 'none', 6, 8],
  ['detach', 'refuses', 'as on AWS', 6, 12],
  ['detach', 'is silent', 'as on AWS', 7, 13],
  ['detach', 'stopped', 'as on AWS', 7, 13],
  ['stop', 'is silent', 'as on AWS', 7, 80],
])(
  'fence %s, a holder that %s, EC2 latencies: %s: fenced within %s s, taken within %s s',
  async (fence, failure, latencies, fencedWithin, takenWithin) => {
    const rows: (readonly [number, number])[] = [];
    for (let offsetMs = 0; offsetMs < 1_000; offsetMs += 50) {
      const given = latencies === 'none' ? none : asOnAws;
      rows.push(await failOver(fence, failure, given, offsetMs));
    }
    const fenced = rows.map(([s]) => s).toSorted((a, b) => a - b);
    const taken = rows.map(([, s]) => s).toSorted((a, b) => a - b);
    if (process.env['BERTH_TELL_SPEED'] === '1') {
      console.log(
        `fence ${fence}, ${failure}, latencies ${latencies}: fence begins after ${say(fenced)} s, device after ${say(taken)} s (least / median / most)`,
      );
    }
    expect(fenced.at(-1)).toBeLessThan(fencedWithin);
    expect(taken.at(-1)).toBeLessThan(takenWithin);
  },
);
