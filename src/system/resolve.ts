// The address behind the name of a host.
import { lookup } from 'node:dns/promises';

export type Resolve = (host: string) => Promise<string>;

/** Also for an address, with brackets or without. Rejects where the name is unknown. */
export const systemResolve: Resolve = async (host) =>
  (await lookup(host.replace(/^\[(.*)\]$/, '$1'))).address;
