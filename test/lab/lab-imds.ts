// The IMDS of the lab's instances: one listener for each on loopback, or one for all that goes by the source address.
import type { Clock } from '../../src/system/clock.ts';
import type { RoleCredentials } from '../../src/model/instance.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { dnsName } from './ec2-answers.ts';
import { instanceTypeOf } from './ec2-instance-types.ts';
import type { Ec2Model } from './ec2-model.ts';
import { elasticOf } from './ec2-elastic.ts';
import { createLaggingMacs, type ImdsLags, type ListedMac } from './imds-lags.ts';
import { createImdsServer, type ImdsRates, type ImdsServer } from './imds.ts';
import type { ImdsMac, ImdsView } from './imds-tree.ts';

export type LabImds = AsyncDisposable & {
  /** Started at the first call. */
  serverFor(instanceId: string): Promise<ImdsServer>;
  /** Knows an instance by the private address of any of its ENIs. */
  serverBySource(listen: { readonly host: string; readonly port: number }): Promise<ImdsServer>;
  /** What differs from what EC2 says, from now on: `{ tags: undefined }`, say. */
  change(instanceId: string, changes: Partial<ImdsView>): void;
  /** What all of them show late, or too long. */
  readonly lags: ImdsLags;
  /** Of faults, for servers that are started from now on. */
  readonly rates: Partial<ImdsRates>;
  /** What a reboot does to IMDS. */
  reboot(instanceId: string): void;
  /** undefined: the instance does not run. */
  view(instanceId: string): ImdsView | undefined;
};

export function createLabImds(
  model: Ec2Model,
  clock: Pick<Clock, 'nowMs' | 'monotonicMs'>,
  host: string,
  credentialsFor: (instanceId: string) => RoleCredentials,
  /** Of lags and faults. */
  seed = 1,
): LabImds {
  const random = createSeededRandom(seed);
  const servers = new AsyncDisposableStack();
  const byInstance = new Map<string, Promise<ImdsServer>>();
  const changes = new Map<string, Partial<ImdsView>>();

  const rates: Partial<ImdsRates> = {};
  const macs = createLaggingMacs(model, clock, random);
  servers.use(macs);

  const macOf = ({ eni, hasKeys, deviceNumber, networkCard, ipv4, ipv6 }: ListedMac): ImdsMac => ({
    mac: eni.mac,
    interfaceId: eni.eniId,
    hasKeys,
    deviceNumber,
    networkCard,
    ownerId: model.accountId,
    subnetId: eni.subnetId,
    vpcId: eni.vpcId,
    subnetIpv4Cidr: model.subnet(eni.subnetId)?.ipv4Cidr,
    subnetIpv6Cidrs: [model.subnet(eni.subnetId)?.ipv6Cidr ?? []].flat(),
    // The VPCs of the lab are this large.
    vpcIpv4Cidr: model.subnet(eni.subnetId)?.ipv4Cidr.replace(/\.\d+\.\d+\/\d+$/, '.0.0/16'),
    localIpv4s: ipv4,
    ipv6s: ipv6,
    securityGroupIds: eni.groupIds,
    ipv4Prefixes: eni.ipv4Prefixes,
    ipv6Prefixes: eni.ipv6Prefixes,
    associations: eni.ipv4.flatMap((privateIp) => {
      const elastic = elasticOf(model.world.addresses.all(), eni.eniId, privateIp);
      return elastic === undefined ? [] : [{ publicIp: elastic.publicIp, privateIp }];
    }),
  });

  const view = (instanceId: string): ImdsView | undefined => {
    const instance = model.instance(instanceId);
    const [primary] = model.enisOf(instanceId);
    if (instance === undefined || primary === undefined) return undefined;
    if (instance.state === 'stopped' || instance.state === 'terminated') return undefined;
    return {
      instanceId,
      instanceType: instance.instanceType,
      imageId: 'ami-0123456789abcdef0',
      accountId: model.accountId,
      region: model.region,
      partition: model.partition,
      availabilityZone: instance.availabilityZone,
      availabilityZoneId: instance.availabilityZoneId,
      architecture: instanceTypeOf(instance.instanceType).architecture,
      hostname: dnsName(model, instance.privateIpv4),
      localIpv4: instance.privateIpv4,
      mac: primary.mac,
      macs: macs.of(instanceId).map(macOf),
      tags: instance.tags,
      userData: instance.userData,
      placement:
        instance.placementGroup === undefined ? {} : { 'group-name': instance.placementGroup.name },
      roleName: 'berth',
      credentials: () => {
        const { accessKeyId, secretAccessKey, sessionToken, expiresAtMs } =
          credentialsFor(instanceId);
        return {
          accessKeyId,
          secretAccessKey,
          token: sessionToken,
          expiration: new Date(expiresAtMs),
        };
      },
      targetLifecycleState: undefined,
      spotInstanceAction: undefined,
      ...changes.get(instanceId),
    };
  };

  const listen = async (
    address: { readonly host: string; readonly port: number },
    viewOf: (remoteAddress: string) => ImdsView | undefined,
  ): Promise<ImdsServer> =>
    servers.use(await createImdsServer({ ...address, clock, viewOf, random, rates }));

  return {
    view,
    lags: macs.lags,
    rates,
    reboot: (instanceId) => macs.boot(instanceId),
    change: (instanceId, more) =>
      void changes.set(instanceId, { ...changes.get(instanceId), ...more }),
    serverFor: (instanceId) => {
      const server =
        byInstance.get(instanceId) ?? listen({ host, port: 0 }, () => view(instanceId));
      byInstance.set(instanceId, server);
      return server;
    },
    serverBySource: (address) =>
      listen(address, (remoteAddress) => {
        const holder = model.enis().find((eni) => eni.ipv4.includes(remoteAddress));
        const instanceId = holder?.attachment?.instanceId;
        return instanceId === undefined ? undefined : view(instanceId);
      }),
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}
