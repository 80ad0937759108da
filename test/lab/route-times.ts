// How long berth takes to set, verify and remove its routing, and to repair what others delete while it watches.
import type { RoutePlan } from '../../src/model/routes.ts';
import { removeRoutes } from '../../src/route/remove.ts';
import { applyRoutes } from '../../src/route/route.ts';
import { createRouting } from '../../src/route/routing.ts';
import { verifyRoutes } from '../../src/route/verify.ts';
import { planRoutes } from '../../src/route/plan.ts';
import { systemFiles } from '../../src/system/files.ts';
import { createHttp } from '../../src/system/http.ts';
import { plainRouting } from '../fixtures/claimed-eni.ts';
import { identityOf } from '../fixtures/identity.ts';
import { ratioText, spreadOf, spreadText, tableLines } from './bench-statistics.ts';
import { ipBatch } from './namespace.ts';
import { during, heading, say } from './progress.ts';
import { createGround, primaryMac, type Ground } from './route-ground.ts';

const never = new AbortController().signal;
const table = 20_001;

/** What others do to it, as they would type it. */
const damages: readonly (readonly [what: string, lines: readonly string[]])[] = [
  ['one rule', [`rule del priority 9500 from 10.0.2.20 lookup ${table}`]],
  ['one route', [`route del default table ${table}`]],
  ['one address', ['addr del 10.0.2.21/32 dev eth1']],
  ['the whole table', [`route flush table ${table}`]],
  ['the link, down and up', ['link set dev eth1 down', 'link set dev eth1 up']],
];

export async function printTimes(runs: number): Promise<void> {
  await using ground = await createGround('other', 1);
  const claimed = ground.enis[0]!;
  const wanted = planRoutes({ claimed, device: undefined, mtu: 9001, ...plainRouting });
  heading(`Times, medians of ${runs}: two addresses of IPv4 and one of IPv6`);
  const rows = await during('apply, verify, remove', timeSteps(ground, wanted, runs));
  const repairs = await during('repair', timeRepairs(ground, wanted, runs));
  say('');
  for (const line of tableLines([['', 'ms', 'ip call by call, ms', 'ratio'], ...rows]))
    say(`   ${line}`);
  say('');
  for (const line of tableLines([['deleted by others, until it is as it was', 'ms'], ...repairs]))
    say(`   ${line}`);
}

async function timeSteps(
  { inside }: Ground,
  wanted: RoutePlan,
  runs: number,
): Promise<readonly (readonly string[])[]> {
  const times = {
    apply: [] as number[],
    again: [] as number[],
    verify: [] as number[],
    remove: [] as number[],
  };
  const byHand = { apply: [] as number[], remove: [] as number[] };
  for (let run = 0; run < runs; run++) {
    const [setting, applied] = await timed(() => applyRoutes(inside, wanted, never));
    const { plan, changes } = applied;
    times.apply.push(setting);
    times.again.push((await timed(() => applyRoutes(inside, wanted, never)))[0]);
    times.verify.push((await timed(() => verifyRoutes(inside, plan, never)))[0]);
    const [removing, removal] = await timed(() => removeRoutes(inside, wanted, never));
    times.remove.push(removing);
    byHand.apply.push((await timed(() => oneByOne(inside, changes)))[0]);
    byHand.remove.push((await timed(() => oneByOne(inside, removal)))[0]);
  }
  return [
    row('apply and verify', times.apply, byHand.apply),
    row('apply, when it is so already', times.again, undefined),
    row('verify', times.verify, undefined),
    row('remove', times.remove, byHand.remove),
  ];
}

function row(
  what: string,
  own: readonly number[],
  other: readonly number[] | undefined,
): readonly string[] {
  const [mine, theirs] = [spreadOf(own), other && spreadOf(other)];
  return [
    what,
    spreadText(mine, 0),
    theirs === undefined ? '-' : spreadText(theirs, 0),
    theirs === undefined ? '-' : ratioText(theirs.median, mine.median),
  ];
}

/** As a script does it; the settings of the kernel not counted, and nothing verified. */
async function oneByOne({ exec }: Ground['inside'], commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    const [file = '', ...args] = command.split(' ');
    await exec.run({ argv: [file, ...args], stdin: undefined, timeoutMs: 5_000 }, never);
  }
}

/** As src/serve.ts does it: hears of a change, looks, and puts it right. */
async function timeRepairs(
  { inside, host, vpc }: Ground,
  wanted: RoutePlan,
  runs: number,
): Promise<readonly (readonly string[])[]> {
  using http = createHttp(1);
  const routing = createRouting(
    { ...inside, files: systemFiles, http },
    {
      identity: identityOf({ primaryMac }),
      imdsEndpoint: 'http://169.254.169.254',
      config: { mode: 'own', localBridges: false, connmark: undefined },
    },
  );
  const plan = await routing.apply(wanted, never);
  const end = new AbortController();
  let repaired = Promise.withResolvers<number>();
  const watch = async (): Promise<void> => {
    using watcher = routing.watch(() => plan, end.signal);
    for (;;) {
      await watcher.next(20_000);
      if ((await routing.problems(plan, end.signal)).length === 0) continue;
      await routing.apply(plan, end.signal);
      repaired.resolve(performance.now());
    }
  };
  const watching = watch().catch(() => undefined);
  const rows: (readonly string[])[] = [];
  for (const [what, lines] of damages) {
    const samples: number[] = [];
    for (let run = 0; run < runs; run++) {
      repaired = Promise.withResolvers();
      // The monitor's child needs a moment at first, and what was repaired is heard of too.
      await vpc.ask(host, { kind: 'read', path: '/proc/uptime' });
      await new Promise((resolve) => setTimeout(resolve, run === 0 ? 1_000 : 300));
      const startMs = performance.now();
      await ipBatch(lines, host);
      samples.push((await repaired.promise) - startMs);
    }
    rows.push([what, spreadText(spreadOf(samples), 0)]);
  }
  end.abort();
  await watching;
  return rows;
}

async function timed<T>(work: () => Promise<T>): Promise<readonly [ms: number, value: T]> {
  const startMs = performance.now();
  const value = await work();
  return [performance.now() - startMs, value];
}
