// All checkers of a fleet together: what they have found, in words.
import type { World } from '../world.ts';
import { checkClaims } from './claims.ts';
import { createReads, type Checker, type Invariant } from './checker.ts';
import { checkFencing } from './fencing.ts';
import { checkHolding } from './holding.ts';
import { checkLimits } from './limits.ts';
import { checkProgress } from './progress.ts';
import { checkServing } from './serving.ts';

export type Violation = {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly why: string;
};

export type Checkers = {
  readonly violations: readonly Violation[];
  /** Is nothing to be said against the fleet as it is now? */
  isWell(): boolean;
  /** Writes down what is. */
  judge(): void;
};

/** More than these say nothing new. */
const mostViolations = 50;

export function createCheckers(world: World): Checkers {
  const violations: Violation[] = [];
  const fail = (invariant: Invariant, why: string): void => {
    if (violations.length < mostViolations)
      violations.push({ invariant, atMs: world.time.nowMs(), why });
  };
  const reads = createReads(world);
  const deps = { world, fail, reads };
  const checkers: readonly Checker[] = [
    checkHolding(deps),
    checkClaims(deps),
    checkServing(deps),
    checkLimits(deps),
    checkFencing(deps),
    checkProgress(deps),
  ];
  // After the checkers: they judge by what was read before.
  for (const { see } of [...checkers, reads]) if (see !== undefined) world.observe(see);
  return {
    violations,
    isWell: () => {
      let count = world.pending;
      for (const { state } of world.model.instances())
        if (state !== 'running' && state !== 'terminated') count++;
      for (const { judge } of checkers) judge?.(() => void count++);
      return count === 0;
    },
    judge: () => {
      for (const { judge } of checkers) judge?.(fail);
    },
  };
}
