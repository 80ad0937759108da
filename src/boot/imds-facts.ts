// What the metadata service knows of this instance beyond its identity (imds.md section 2): for `berth facts`.
import type { Imds } from './imds.ts';

/** undefined, or empty: IMDS says nothing of it. Values as IMDS has them. */
export type ImdsFacts = {
  /** `on-demand`, `spot`, `scheduled`, `capacity-block`. */
  readonly lifeCycle: string | undefined;
  readonly placementGroup: string | undefined;
  readonly partitionNumber: number | undefined;
  readonly hostId: string | undefined;
  readonly interfaces: readonly ImdsInterface[];
};

export type ImdsInterface = {
  /** Lower case. */
  readonly mac: string;
  readonly eniId: string | undefined;
  readonly deviceIndex: number | undefined;
  readonly networkCardIndex: number | undefined;
  readonly subnetId: string | undefined;
  readonly vpcId: string | undefined;
  readonly ipv4: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  readonly publicIpv4: readonly { readonly publicIp: string; readonly privateIp: string }[];
  readonly securityGroups: readonly string[];
};

const macsPath = 'meta-data/network/interfaces/macs';

/** Throws what Imds throws. */
export async function readImdsFacts(imds: Imds, signal: AbortSignal): Promise<ImdsFacts> {
  const [lifeCycle, placementGroup, partition, hostId, macs] = await Promise.all([
    readText(imds, 'meta-data/instance-life-cycle', signal),
    readText(imds, 'meta-data/placement/group-name', signal),
    readText(imds, 'meta-data/placement/partition-number', signal),
    readText(imds, 'meta-data/placement/host-id', signal),
    readLines(imds, macsPath, signal),
  ]);
  const interfaces = await Promise.all(
    macs.map((mac) => readInterface(imds, mac.replace(/\/$/, '').toLowerCase(), signal)),
  );
  return { lifeCycle, placementGroup, partitionNumber: numberOf(partition), hostId, interfaces };
}

async function readInterface(imds: Imds, mac: string, signal: AbortSignal): Promise<ImdsInterface> {
  const at = `${macsPath}/${mac}`;
  const one = (key: string) => readText(imds, `${at}/${key}`, signal);
  const many = (key: string) => readLines(imds, `${at}/${key}`, signal);
  const [
    eniId,
    device,
    card,
    subnetId,
    vpcId,
    ipv4,
    ipv4Prefixes,
    ipv6,
    ipv6Prefixes,
    publicIps,
    securityGroups,
  ] = await Promise.all([
    one('interface-id'),
    one('device-number'),
    one('network-card'),
    one('subnet-id'),
    one('vpc-id'),
    many('local-ipv4s'),
    many('ipv4-prefix'),
    many('ipv6s'),
    many('ipv6-prefix'),
    many('ipv4-associations'),
    many('security-group-ids'),
  ]);
  const associations = await Promise.all(
    publicIps.map(async (publicIp) => {
      const privateIps = await many(`ipv4-associations/${publicIp}`);
      return privateIps.map((privateIp) => ({ publicIp, privateIp }));
    }),
  );
  return {
    mac,
    eniId,
    deviceIndex: numberOf(device),
    networkCardIndex: numberOf(card),
    subnetId,
    vpcId,
    ipv4,
    ipv4Prefixes,
    ipv6,
    ipv6Prefixes,
    publicIpv4: associations.flat(),
    securityGroups,
  };
}

async function readText(
  imds: Imds,
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const text = await imds.readText(path, signal);
  return text === '' ? undefined : text;
}

async function readLines(
  imds: Imds,
  path: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const text = await imds.readText(path, signal);
  return (text ?? '').split('\n').filter((line) => line !== '');
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}
