// The facts of this instance for people, a line for each. Pure.
import type { Facts, FactsInterface } from './facts-document.ts';

export function renderFacts(facts: Facts): string {
  const { instance, placement, limits, interfaces, needs } = facts;
  /** What is not known, and why. */
  const say = (path: string, value: string | number | boolean | null): string => {
    if (value !== null) return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
    const [section] = path.split('.');
    const need = needs.find((one) => one.facts.includes(path) || one.facts.includes(section!));
    return need === undefined ? '-' : `? (needs ${need.permission})`;
  };
  const section = (
    name: string,
    values: Readonly<Record<string, string | number | boolean | null>>,
  ) => Object.entries(values).map(([key, value]) => line(words(key), say(`${name}.${key}`, value)));
  return [
    ...section('instance', instance),
    ...section('placement', placement),
    '',
    `${instance.instanceType} may have`,
    ...section('limits', limits),
    ...interfaces.flatMap((one) => [
      '',
      headingOf(one),
      ...linesOf(one),
      line('source/dest check', say('interfaces[].sourceDestCheck', one.sourceDestCheck)),
      ...nicLines(one),
    ]),
  ].join('\n');
}

function headingOf({ eniId, mac, networkCardIndex, deviceIndex }: FactsInterface): string {
  const card = networkCardIndex ? `card ${networkCardIndex}, ` : '';
  return `${eniId ?? 'ENI ?'}  ${mac}  ${card}device index ${deviceIndex ?? '?'}`;
}

function linesOf(one: FactsInterface): readonly string[] {
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ['addresses', [...one.ipv4, ...one.ipv6]],
    ['prefixes', [...one.ipv4Prefixes, ...one.ipv6Prefixes]],
    ['public', one.publicIpv4.map(({ publicIp, privateIp }) => `${publicIp} -> ${privateIp}`)],
    ['security groups', one.securityGroups],
  ];
  return [
    line('subnet', `${one.subnetId ?? '-'} of ${one.vpcId ?? '-'}`),
    ...lists.flatMap(([name, values]) =>
      values.length === 0 ? [] : [line(name, values.join(' '))],
    ),
  ];
}

function nicLines({ nic }: FactsInterface): readonly string[] {
  if (nic === null) return [line('device', 'none: the kernel does not show this MAC')];
  const { device, state, mtu, speedMbps, driver, driverVersion, allowances } = nic;
  const link = [
    device,
    state ?? 'state ?',
    `MTU ${mtu ?? '?'}`,
    ...(speedMbps === undefined ? [] : [`${speedMbps} Mbit/s`]),
  ];
  return [
    line('device', link.join(', ')),
    line('driver', driver === undefined ? '-' : `${driver} ${driverVersion ?? ''}`.trimEnd()),
    ...Object.entries(allowances ?? {}).map(([name, value]) => line(name, String(value))),
  ];
}

function line(name: string, value: string): string {
  return `  ${name.padEnd(30)}  ${value}`.trimEnd();
}

/** `availabilityZoneId` -> `availability zone id`; the names of the JSON, to be read aloud. */
function words(key: string): string {
  return key.replaceAll(/[A-Z0-9]+/g, (part) => ` ${part.toLowerCase()}`);
}
