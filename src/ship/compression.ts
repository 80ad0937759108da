// Is it worth compressing? It costs more than all the rest (logs.md section 7), and saves what leaves the VPC: NAT, slow links.
import { BlockList } from 'node:net';
import { promisify } from 'node:util';
import { constants, gzip as gzipAsync } from 'node:zlib';
import type { LogsConfig } from '../model/logs.ts';
import type { Clock } from '../system/clock.ts';
import type { Resolve } from '../system/resolve.ts';

const gzip = promisify(gzipAsync);
/** Smaller bodies gain nothing. */
const minBytes = 1024;
/** An endpoint may be put into the VPC while berth runs. */
const knownForMs = 600_000;

const privateAddresses = new BlockList();
for (const [net, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
] as const)
  privateAddresses.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['fc00::', 7],
  ['::1', 128],
] as const)
  privateAddresses.addSubnet(net, bits, 'ipv6');

export type Compressor = {
  /** undefined: it goes as it is. Never throws. */
  compress(body: Uint8Array, host: string): Promise<Uint8Array | undefined>;
};

export function createCompressor(
  mode: LogsConfig['compression'],
  deps: { readonly clock: Clock; readonly resolve: Resolve },
): Compressor {
  let known:
    | { readonly host: string; readonly isPrivate: boolean; readonly atMs: number }
    | undefined;

  const isPrivate = async (host: string): Promise<boolean> => {
    const nowMs = deps.clock.monotonicMs();
    if (known?.host === host && nowMs - known.atMs < knownForMs) return known.isPrivate;
    const address = await deps.resolve(host).catch(() => undefined);
    if (address === undefined) return known?.isPrivate ?? true;
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    known = { host, isPrivate: privateAddresses.check(address, family), atMs: nowMs };
    return known.isPrivate;
  };

  return {
    compress: async (body, host) => {
      if (mode === 'none' || body.length < minBytes) return undefined;
      if (mode === 'auto' && (await isPrivate(host))) return undefined;
      return await gzip(body, { level: constants.Z_BEST_SPEED });
    },
  };
}
