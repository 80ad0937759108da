// One seed from its first boot to its verdict: a phase with faults, one without, and a while of quiet.
import { createCheckers, type Violation } from './checkers/checkers.ts';
import type { Observer } from './facts.ts';
import { calm, letFateWork } from './misfortunes.ts';
import { drawPlan, type Plan } from './plan.ts';
import { startBerth } from './program.ts';
import { createTrace } from './trace.ts';
import { bootFleet, createWorld, type Seams, type World } from './world.ts';

export type Verdict = {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly hash: string;
  readonly facts: number;
  readonly calls: number;
  readonly virtualMs: number;
  /** Processes that were started. */
  readonly lives: number;
  /** From the end of the faults until the fleet was well. */
  readonly healedMs: number;
};

export type SimulateOptions = Partial<Seams> & {
  readonly changePlan?: (plan: Plan) => Plan;
  /** Sees all facts, before the checkers do. */
  readonly observe?: (world: World) => Observer;
};

/**
 * Who waits looks at all of the pool every ten minutes (src/claim/waiting.ts); stale claims take five minutes each and a
 * look at one owner at a time; the longest back-off is a minute.
 */
const healWithinMs = 2_400_000;
const perInstanceMs = 60_000;
const lookEveryMs = 5_000;
const quietMs = 150_000;

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Verdict> {
  // A stack for each of a million expected errors costs more than the rest.
  Error.stackTraceLimit = 0;
  const plan = (options.changePlan ?? ((plan: Plan) => plan))(drawPlan(seed));
  const world = createWorld(plan, {
    startProgram: options.startProgram ?? startBerth,
    mutate: options.mutate ?? ((ports) => ports),
    onTheWire: options.onTheWire ?? ((change) => change),
  });
  const { time, hosts } = world;
  if (options.observe !== undefined) world.observe(options.observe(world));
  const trace = createTrace(world);
  const checkers = createCheckers(world);

  await bootFleet(world);
  letFateWork(world);
  await time.run(time.nowMs() + plan.safetyMs, () => false);
  calm(world);
  const untilMs = world.calmAtMs + healWithinMs + perInstanceMs * hosts.length;
  let isWell = false;
  const look = (): void => {
    isWell = checkers.isWell();
    if (!isWell) time.after(lookEveryMs, look);
  };
  time.after(lookEveryMs, look);
  await time.run(untilMs, () => isWell);
  const healedMs = time.nowMs() - world.calmAtMs;
  world.tell({ what: 'quiet' });
  await time.run(time.nowMs() + quietMs, () => false);
  checkers.judge();

  world.isOver = true;
  for (const { process } of hosts) if (process !== undefined) process.isDead = true;
  world.model[Symbol.dispose]();
  return {
    seed,
    violations: checkers.violations,
    hash: trace.hash(),
    facts: trace.facts(),
    calls: world.calls,
    virtualMs: time.nowMs(),
    lives: hosts.reduce((sum, { lives }) => sum + lives, 0),
    healedMs,
  };
}
