// The fingerprint of a history: equal for equal seeds, or the simulator is not deterministic.
import type { Fact } from './facts.ts';
import type { World } from './world.ts';

export type Trace = { hash(): string; readonly facts: () => number };

export function createTrace(world: World): Trace {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  let count = 0;
  const mix = (value: number): void => {
    a = Math.imul(a ^ value, 0x01000193);
    b = Math.imul(b ^ value, 0x85ebca6b);
    b ^= b >>> 13;
  };
  const mixText = (text: string): void => {
    for (let i = 0; i < text.length; i++) mix(text.charCodeAt(i));
  };
  world.observe((fact) => {
    count++;
    mix(Math.round(world.time.nowMs() * 1_000));
    mix(fact.what.charCodeAt(0) * 256 + fact.what.charCodeAt(2));
    const text = textOf(fact);
    if (text !== '') mixText(text);
  });
  return {
    hash: () => [a, b].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join(''),
    facts: () => count,
  };
}

function textOf(fact: Fact): string {
  switch (fact.what) {
    case 'call':
      return fact.call.method + fact.call.target + (fact.fault ?? '');
    case 'effect':
      return fact.refusal ?? '';
    case 'answer':
      return fact.code;
    case 'eni':
      return (fact.eni?.status ?? '') + (fact.eni?.attachment?.instanceId ?? '');
    case 'instance':
      return fact.instanceId + fact.state;
    case 'news':
      return fact.host.instanceId + fact.phase;
    case 'end':
      return fact.by;
    case 'misfortune':
      return fact.name;
    default:
      return '';
  }
}
