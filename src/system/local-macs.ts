// Which network devices have an address here, by MAC; without a program, since a waiting process may not start one.
import { networkInterfaces } from 'node:os';

export type LocalMacs = () => readonly string[];

/** Lower case. Of devices that are up. */
export const systemLocalMacs: LocalMacs = () =>
  Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ mac }) => mac),
  );
