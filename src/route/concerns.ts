// What may go wrong yet though the kernel holds the plan (routing.md section 4: check 8, and 9 of networkd).
// Said, and no reason to withhold or delay ready: the gateway has answered, peers are served whether or not the metadata
// service answers this address, and what another manager changes is put right.
import { isIPv4 } from 'node:net';
import { messageOf } from '../errors.ts';
import type { RoutePlan } from '../model/routes.ts';
import type { Files } from '../system/files.ts';
import type { Http } from '../system/http.ts';

export type ConcernDeps = { readonly files: Files; readonly http: Http };

export type ConcernInput = {
  readonly plan: RoutePlan;
  /** `http://HOST`. */
  readonly imdsEndpoint: string;
  /** Should no other manager touch the device? */
  readonly isOwn: boolean;
};

/** A first packet that is lost is sent again after 1 s. */
const connectTimeoutMs = 1_500;
const timeoutMs = 2_500;

/** In words. Takes as long as one request to the metadata service, at most 2.5 s. Throws the signal's reason. */
export async function routeConcerns(
  deps: ConcernDeps,
  { plan, imdsEndpoint, isOwn }: ConcernInput,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const concerns = [
    askFromAddress(deps, { plan, imdsEndpoint }, signal),
    ...(isOwn ? [askNetworkd(deps, plan.ifname)] : []),
  ];
  return [...sayUnserved(plan), ...(await Promise.all(concerns)).flat()];
}

function sayUnserved({ unserved, ifname }: RoutePlan): readonly string[] {
  if (unserved.length === 0) return [];
  return [
    `${unserved.join(', ')} cannot be served, since IPv6 is off here: set net.ipv6.conf.${ifname}.disable_ipv6=0, or boot without ipv6.disable=1`,
  ];
}

/** Does anything at all come back to the address? Any status says so. */
async function askFromAddress(
  { http }: ConcernDeps,
  { plan, imdsEndpoint }: Omit<ConcernInput, 'isOwn'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const localAddress = plan.ipv4.addresses[0]?.split('/')[0];
  if (localAddress === undefined || !isIPv4(new URL(imdsEndpoint).hostname)) return [];
  try {
    await http.request(
      {
        method: 'PUT',
        url: `${imdsEndpoint}/latest/api/token`,
        // The address may leave this instance: no connection is kept.
        headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '1', Connection: 'close' },
        localAddress,
        connectTimeoutMs,
        timeoutMs,
        maxBytes: 4_096,
      },
      signal,
    );
    return [];
  } catch (error) {
    signal.throwIfAborted();
    return [
      `${imdsEndpoint} does not answer ${localAddress} (${messageOf(error)}): check the ENI's security groups and the subnet's route table if peers do not reach it either`,
    ];
  }
}

/** networkd's own file, since `networkctl` takes longer; where networkd does not run there is none. */
async function askNetworkd({ files }: ConcernDeps, ifname: string): Promise<readonly string[]> {
  const read = (path: string): Promise<string | undefined> =>
    files.readText(path).catch(() => undefined);
  const index = (await read(`/sys/class/net/${ifname}/ifindex`))?.trim();
  const link = index === undefined ? undefined : await read(`/run/systemd/netif/links/${index}`);
  const state = /^ADMIN_STATE=(.*)$/m.exec(link ?? '')?.[1];
  // `pending` and `initialized`: it has not decided yet.
  if (state === undefined || !['configuring', 'configured', 'failed'].includes(state)) return [];
  return [
    `systemd-networkd manages ${ifname} too (${state}): install 81-berth.rules and 01-berth.network of berth's systemd folder as the README says, then run "udevadm trigger /sys/class/net/${ifname}" and "systemctl restart systemd-networkd"`,
  ];
}
