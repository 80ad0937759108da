// What the kernel lacks for the ENIs that the daemon serves, and what may go wrong yet.
import { imdsEndpoints } from '../boot/imds-endpoint.ts';
import { createAwsEc2 } from '../claim/aws-ec2.ts';
import type { Config } from '../model/config.ts';
import type { Status, StatusEni } from '../model/status.ts';
import { ownGroup } from '../route/bridge-group.ts';
import { createRouting } from '../route/routing.ts';
import type { Ports } from '../system/ports.ts';
import { reporter, type Finding } from './finding.ts';
import type { InstanceInput } from './instance-checks.ts';

export async function checkRoutes(
  ports: Ports,
  input: InstanceInput & { readonly config: Config; readonly status: Status },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const served = input.status.pools.flatMap(({ eni }) => (eni === undefined ? [] : [eni]));
  const found = await Promise.all(served.map((eni) => checkRoute(ports, input, eni, signal)));
  return found.flat();
}

async function checkRoute(
  ports: Ports,
  { identity, access, config }: InstanceInput & { readonly config: Config },
  { eniId, mac, table, device: ifname }: StatusEni,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const report = reporter('routes');
  const device = await ports.devices.find(mac, signal);
  if (device === undefined) {
    return [
      report(
        'failure',
        `the kernel has no device with the MAC of ${eniId}`,
        'dmesg --level=err,warn tells of its driver; after three minutes berth gives it back',
      ),
    ];
  }
  using ec2 = createAwsEc2(ports, access);
  const eni = await ec2.describeEni(eniId, signal);
  if (eni === undefined)
    return [
      report(
        'failure',
        `EC2 knows no ${eniId}`,
        'it was deleted: "berth pool" shows the others, of which berth claims one by itself',
      ),
    ];
  const { attachment, subnetId } = eni;
  const claimed = {
    eni,
    deviceIndex: attachment?.deviceIndex ?? 1,
    networkCardIndex: attachment?.networkCardIndex ?? 0,
    subnet: await ec2.describeSubnet(subnetId, signal),
  };
  const [imdsEndpoint] = imdsEndpoints(process.env);
  const routing = createRouting(ports, { identity, imdsEndpoint, config: config.routing });
  const planned = await routing.plan({ claimed, device, peers: 1 }, undefined, signal);
  const plan = {
    ...planned,
    ifname: ifname ?? device.name,
    table: table ?? planned.table,
    bridgeGroup: config.routing.localBridges ? ownGroup : undefined,
  };
  const [problems, concerns] = await Promise.all([
    routing.problems(plan, signal),
    routing.concerns(plan, signal),
  ]);
  const fix =
    'once more in ten seconds: berth puts it right by itself; else "berth status --routes" has the commands';
  const says = [
    ...problems.map((problem) => report('failure', `${eniId}: ${problem}`, fix)),
    ...concerns.map((concern) =>
      report('warning', `${eniId}: ${concern}`, 'do so; "berth status" tells when it is over'),
    ),
  ];
  return says.length > 0
    ? says
    : [report('ok', `${eniId} on ${plan.ifname}: rules, routes, sysctls and gateway`)];
}
