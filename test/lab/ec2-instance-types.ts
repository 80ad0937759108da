// Limits of some instance types (DescribeInstanceTypes NetworkInfo, as AWS publishes them).

export type InstanceType = {
  readonly name: string;
  readonly architecture: 'x86_64' | 'arm64';
  readonly ipv4PerInterface: number;
  /** Most interfaces of each network card. */
  readonly networkCards: readonly number[];
};

const type = (
  name: string,
  networkCards: readonly number[],
  ipv4PerInterface: number,
  architecture: InstanceType['architecture'] = 'x86_64',
): InstanceType => ({ name, architecture, ipv4PerInterface, networkCards });

export const instanceTypes: readonly InstanceType[] = [
  type('t3.micro', [2], 2),
  type('t3.small', [3], 4),
  type('t3.medium', [3], 6),
  type('t4g.small', [3], 4, 'arm64'),
  type('m5.large', [3], 10),
  type('m7g.large', [3], 10, 'arm64'),
  type('c6i.4xlarge', [8], 30),
  type('p4d.24xlarge', [15, 15, 15, 15], 50),
];

/** Throws for a type that the lab does not know. */
export function instanceTypeOf(name: string): InstanceType {
  const found = instanceTypes.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`the lab knows no instance type ${name}`);
  return found;
}

export function maxInterfaces(type: InstanceType): number {
  return type.networkCards.reduce((sum, most) => sum + most, 0);
}
