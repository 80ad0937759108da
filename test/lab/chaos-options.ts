// The text of `--chaos`: `seed=7,throttle=0.2,reset-after=0.3@ec2:AttachNetworkInterface,black-hole=1x2`.
import { chaosKinds, type ChaosKind, type ChaosRule } from './chaos-schedule.ts';

export type ChaosInput = { readonly seed: number; readonly rules: readonly ChaosRule[] };

export const chaosUsage = `seed=NUMBER[,KIND=PROBABILITY[xTIMES][@SERVICE:OPERATION]]...
kinds: ${chaosKinds.join(', ')}; without any, each is drawn at a moderate rate`;

/** About a third of the calls, and what is hardest to get right more often than the rest. */
export const moderateRules: readonly ChaosRule[] = [
  // The calls that change something: an answer that is lost is the test of a claim.
  rule('reset-after', 0.3, 'ec2:AttachNetworkInterface'),
  rule('truncated', 0.1, 'ec2:AttachNetworkInterface'),
  rule('lost-answer', 0.1, 'ec2:AttachNetworkInterface'),
  rule('reset-after', 0.2, 'ec2:CreateTags'),
  rule('stale', 0.15, 'ec2:*'),
  rule('half-open', 0.03, 'ec2:*'),
  rule('black-hole', 0.03, 'ec2:*'),
  rule('half-open', 0.05, 'ssm:*'),
  rule('black-hole', 0.05, 'ssm:*'),
  // berth waits 30 s for CloudWatch.
  rule('lost-answer', 0.05, 'logs:PutLogEvents', 1),
  rule('throttle', 0.08),
  rule('500', 0.04),
  rule('503', 0.04),
  rule('slow', 0.06),
  rule('reset-before', 0.04),
  rule('reset-after', 0.04),
  rule('truncated', 0.04),
  rule('wrong-date', 0.03),
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
