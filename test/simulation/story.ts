// Tells what happened in a seed, line by line: time, instance, what it asked, what EC2 said, and the truth.
import { tagKeys } from '../../src/claim/tags.ts';
import type { Eni } from '../../src/model/eni.ts';
import type { LabEni } from '../lab/ec2-world.ts';
import type { Call, Fact, Observer } from './facts.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

const who = (host: Host | undefined): string => host?.instanceId ?? 'somebody';

const arns = (text: string): string => text.replaceAll(/arn:aws:ec2:[^ ]*instance\//g, '');

export function createStory(world: World, write: (line: string) => void): Observer {
  let shown: string | undefined;
  return (fact) => {
    const text = describe(fact, who);
    if (text === undefined || text === shown) return;
    shown = text;
    const seconds = (world.time.nowMs() / 1000).toFixed(3).padStart(9);
    write(`${seconds}  ${arns(text)}`);
  };
}

function describe(fact: Fact, who: (host: Host | undefined) => string): string | undefined {
  switch (fact.what) {
    case 'call':
      return `${nameOf(fact.call)} asks ${askOf(fact.call)}${fact.fault === undefined ? '' : `  [${fact.fault}]`}`;
    case 'arrival':
      return undefined;
    case 'effect':
      return fact.call.change === undefined
        ? undefined
        : `${' '.repeat(10)}  EC2 ${fact.refusal === undefined ? 'does' : `refuses (${fact.refusal})`} #${fact.call.id} ${askOf(fact.call)} of ${nameOf(fact.call)}`;
    case 'answer': {
      const old = fact.lagMs > 0 ? `, ${Math.round(fact.lagMs)} ms old` : '';
      const shows =
        fact.enis === undefined ? '' : `: ${fact.enis.map(eniText).join(' | ') || 'nothing'}`;
      return `${nameOf(fact.call)} hears #${fact.call.id} ${fact.code}${old}${shows}`;
    }
    case 'eni':
      return `${' '.repeat(10)}  truth: ${fact.eni === undefined ? `${fact.eniId} is gone` : eniText(fact.eni)}`;
    case 'instance':
      return `${' '.repeat(10)}  truth: ${fact.instanceId} is ${fact.state}`;
    case 'start':
      return `${who(fact.host)}  starts berth, life ${fact.host.lives}`;
    case 'end':
      return `${who(fact.host)}  berth ends (${fact.by}): ${fact.why}`;
    case 'news':
      return `${who(fact.host)}  ${fact.ready ? 'READY' : fact.phase}, pool ${fact.pool}: ${fact.message}`;
    case 'device':
      return `${who(fact.host)}  kernel: the device ${fact.mac} ${fact.isThere ? 'appears' : 'is gone'}`;
    case 'routes':
      return `${who(fact.host)}  kernel: routes of ${fact.mac} ${fact.areSet ? 'set' : 'removed'}`;
    case 'misfortune':
      return `MISFORTUNE ${fact.name} ${who(fact.host)} ${fact.eniId ?? ''}`;
    case 'calm':
      return '======== the faults end';
    default:
      return '======== all is well; looking on';
  }
}

function nameOf({ host, life }: Call): string {
  return `${host.instanceId}.${life}`;
}

function askOf({ id, method, target, change }: Call): string {
  const index = change?.do === 'attach' ? ` at index ${change.deviceIndex}` : '';
  return `#${id} ${method} ${target}${index}`;
}

function eniText(eni: Eni | LabEni): string {
  const { eniId, status, tags, attachment } = eni;
  const owner = tags[tagKeys.owner] ?? 'nobody';
  const at = attachment === undefined ? '' : ` at ${attachment.instanceId} ${attachment.status}`;
  return `${eniId} ${status}${at}, owner ${owner}`;
}
