// Who this instance is: a dozen values of IMDS, read side by side and checked before anything trusts them.
import { isIPv4, isIPv6 } from 'node:net';
import * as v from 'valibot';
import type { Identity, Subnet } from '../model/instance.ts';
import { tagPrefix } from '../system/aws.ts';
import type { Clock } from '../system/clock.ts';
import { garbage, parseJson } from './imds-errors.ts';
import type { Imds } from './imds.ts';

const documentPath = 'dynamic/instance-identity/document';
const macsPath = 'meta-data/network/interfaces/macs';
const tagsPath = 'meta-data/tags/instance';
const ourTag = new RegExp(`^(${tagPrefix}|aws:)[\\w+=.,:@-]+$`);

const documentSchema = v.object({
  instanceId: v.pipe(v.string(), v.regex(/^i-[0-9a-f]{8,17}$/)),
  instanceType: v.pipe(v.string(), v.regex(/^[a-z0-9-]+\.[a-z0-9-]+$/)),
  // For metrics only, so that no boot fails of it.
  imageId: v.fallback(v.nullish(v.pipe(v.string(), v.regex(/^ami-[0-9a-f]{8,17}$/))), null),
  accountId: v.pipe(v.string(), v.regex(/^\d{12}$/)),
  region: v.pipe(v.string(), v.regex(/^[a-z]+(-[a-z]+)+-\d+$/)),
  availabilityZone: v.pipe(v.string(), v.regex(/^[a-z]+(-[a-z0-9]+)+$/)),
  architecture: v.pipe(v.string(), v.regex(/^[a-z0-9_]+$/)),
  privateIp: v.nullish(v.pipe(v.string(), v.check(isIPv4))),
});

/** The primary ENI's keys may lag behind its MAC (imds.md fault 5). */
const subnetTries = 6;
const subnetWaitMs = 500;

/** Throws `imds-garbage` naming the path, and what Imds throws. */
export async function readIdentity(
  deps: { readonly clock: Clock },
  imds: Imds,
  signal: AbortSignal,
): Promise<Identity> {
  const read = (path: string, form: RegExp): Promise<string | undefined> =>
    readValue(imds, path, form, signal);
  const [document, network, macs, availabilityZoneId, partition, hostname, tags] =
    await Promise.all([
      readDocument(imds, signal),
      readPrimary(deps, imds, signal),
      imds.readText(macsPath, signal),
      read('meta-data/placement/availability-zone-id', /^[a-z0-9-]{4,32}$/),
      read('meta-data/services/partition', /^aws[a-z-]{0,32}$/),
      read('meta-data/hostname', /^[A-Za-z0-9.-]{1,255}$/),
      readTags(imds, signal),
    ]);
  return {
    instanceId: document.instanceId,
    instanceType: document.instanceType,
    imageId: document.imageId ?? undefined,
    accountId: document.accountId,
    region: document.region,
    partition: partition ?? partitionOf(document.region),
    availabilityZone: document.availabilityZone,
    availabilityZoneId,
    architecture: document.architecture,
    hostname,
    privateIpv4: document.privateIp ?? undefined,
    ...network,
    macCount: macs?.split('\n').filter((mac) => mac !== '').length ?? 1,
    tags,
  };
}

async function readDocument(
  imds: Imds,
  signal: AbortSignal,
): Promise<v.InferOutput<typeof documentSchema>> {
  const text = await imds.readText(documentPath, signal);
  if (text === undefined) throw garbage(documentPath, 'it is absent');
  const parsed = v.safeParse(documentSchema, parseJson(documentPath, text));
  if (parsed.success) return parsed.output;
  const fields = new Set(parsed.issues.map((issue) => v.getDotPath(issue) ?? 'the whole'));
  throw garbage(documentPath, `unusable: ${[...fields].join(', ')}`);
}

async function readPrimary(
  { clock }: { readonly clock: Clock },
  imds: Imds,
  signal: AbortSignal,
): Promise<Pick<Identity, 'primaryMac' | 'primarySubnet' | 'vpcId'>> {
  const primaryMac = await readValue(
    imds,
    'meta-data/mac',
    /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/,
    signal,
  );
  if (primaryMac === undefined) throw garbage('meta-data/mac', 'it is absent');
  const eni = `${macsPath}/${primaryMac}`;
  for (let attempt = 1; ; attempt++) {
    const [subnetId, vpcId, ipv4Cidr, ipv6Cidrs] = await Promise.all([
      readValue(imds, `${eni}/subnet-id`, /^subnet-[0-9a-f]{8,17}$/, signal),
      readValue(imds, `${eni}/vpc-id`, /^vpc-[0-9a-f]{8,17}$/, signal),
      readCidrs(imds, `${eni}/subnet-ipv4-cidr-block`, isIPv4, signal),
      readCidrs(imds, `${eni}/subnet-ipv6-cidr-blocks`, isIPv6, signal),
    ]);
    if (subnetId !== undefined) {
      const primarySubnet: Subnet = { subnetId, ipv4Cidr: ipv4Cidr[0], ipv6Cidrs };
      return { primaryMac, primarySubnet, vpcId };
    }
    if (attempt === subnetTries) return { primaryMac, primarySubnet: undefined, vpcId };
    await clock.sleep(subnetWaitMs, signal);
  }
}

/** Only the tags that berth may act on: its own, and those that AWS sets (group, stack). */
async function readTags(
  imds: Imds,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>> | undefined> {
  const keys = await imds.readText(tagsPath, signal);
  if (keys === undefined) return undefined;
  const wanted = keys.split('\n').filter((key) => ourTag.test(key));
  const values = await Promise.all(
    wanted.map((key) => readValue(imds, `${tagsPath}/${key}`, /^[^\n\p{Cc}]{0,256}$/u, signal)),
  );
  // A tag that went between the two reads is absent.
  const pairs = wanted.flatMap((key, i) => (values[i] === undefined ? [] : [[key, values[i]]]));
  return Object.fromEntries(pairs) as Record<string, string>;
}

async function readCidrs(
  imds: Imds,
  path: string,
  isAddress: (text: string) => boolean,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const text = (await imds.readText(path, signal)) ?? '';
  const cidrs = text.split('\n').filter((line) => line !== '');
  for (const cidr of cidrs) {
    const [address, length, ...rest] = cidr.split('/');
    if (!isAddress(address!) || !/^\d{1,3}$/.test(length ?? '') || rest.length > 0) {
      throw garbage(path, 'that is no list of address blocks');
    }
  }
  return cidrs;
}

async function readValue(
  imds: Imds,
  path: string,
  form: RegExp,
  signal: AbortSignal,
): Promise<string | undefined> {
  const text = await imds.readText(path, signal);
  if (text !== undefined && !form.test(text)) throw garbage(path, 'its value has the wrong form');
  return text;
}

/** `services/partition` is missing on instances that were launched long ago. */
function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
