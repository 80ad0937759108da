// The text of `--chaos`: `seed=7,throttle=0.2,reset-after=0.3@ec2:AttachNetworkInterface,black-hole=1x2`.
import { chaosKinds, type ChaosKind, type ChaosRule } from './chaos-schedule.ts';

export type ChaosInput = { readonly seed: number; readonly rules: readonly ChaosRule[] };

export const chaosUsage = `seed=NUMBER[,KIND=PROBABILITY[xTIMES][@SERVICE:OPERATION]]...
kinds: ${chaosKinds.join(', ')}; without any, each is drawn at a moderate rate`;

/**
 * About a quarter of the calls. What is hardest to get right comes often, and what costs berth a time limit (5 s, of
 * CloudWatch 30 s) seldom.
 */
export const moderateRules: readonly ChaosRule[] = [
  // The calls that change something: an answer that is lost is the test of a claim.
  rule('reset-after', 0.35, 'ec2:AttachNetworkInterface', 2),
  rule('truncated', 0.15, 'ec2:AttachNetworkInterface', 1),
  rule('lost-answer', 0.05, 'ec2:AttachNetworkInterface', 1),
  rule('reset-after', 0.3, 'ec2:CreateTags', 2),
  rule('lost-answer', 0.02, 'logs:PutLogEvents', 1),
  rule('stale', 0.12, 'ec2:*'),
  rule('half-open', 0.02, '*', 1),
  rule('black-hole', 0.02, 'ec2:*', 1),
  rule('wrong-date', 0.03, '*', 2),
  rule('throttle', 0.05),
  rule('500', 0.03),
  rule('503', 0.03),
  rule('slow', 0.04),
  rule('reset-before', 0.03),
  rule('reset-after', 0.03),
  rule('truncated', 0.03),
];

/** Throws Error with the usage. */
export function parseChaos(text: string): ChaosInput {
  let seed: number | undefined;
  const rules: ChaosRule[] = [];
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.split('=');
    if (name === 'seed') seed = /^\d+$/.test(value) ? Number(value) : fail(`the seed "${value}"`);
    else rules.push(parseRule(name, value));
  }
  if (seed === undefined) return fail('it without a seed');
  return { seed, rules: rules.length === 0 ? moderateRules : rules };
}

function parseRule(name: string, value: string): ChaosRule {
  const kind = chaosKinds.find((known) => known === name) ?? fail(`the kind "${name}"`);
  const [, probability, times, match = '*'] =
    /^(\d(?:\.\d+)?)(?:x(\d+))?(?:@(\S+))?$/.exec(value) ?? fail(`"${name}=${value}"`);
  if (Number(probability) > 1) fail(`the probability ${probability}`);
  return rule(kind, Number(probability), match, times === undefined ? undefined : Number(times));
}

function rule(kind: ChaosKind, probability: number, match = '*', times?: number): ChaosRule {
  return { kind, probability, match, times };
}

function fail(what: string): never {
  throw new Error(`cannot read ${what} in --chaos; it is ${chaosUsage}`);
}
