// What a standby's probes have shown of one holder, on two paths: the ENI's address, and the holder's own.
import type { ProbeConfig } from '../model/config.ts';
import type { Probe } from '../system/probe.ts';

export type Heartbeat = {
  /** One probe of each path, side by side. Throws nothing but the signal's reason. */
  beat(signal: AbortSignal): Promise<void>;
  /** The ENI's address was silent as often running as is configured. */
  isLost(): boolean;
  /** Both were, and both had answered before: a path that never did proves nothing. */
  isLostTwice(): boolean;
  /** In a few words that stay the same from probe to probe. */
  describe(): string;
};

type Path = { readonly address: string; hasAnswered: boolean; missed: number; why: string };

export type HeartbeatInput = {
  readonly eniAddress: string;
  /** undefined: EC2 does not tell. */
  readonly ownAddress: string | undefined;
  readonly config: ProbeConfig;
};

export function createHeartbeat(
  { probe }: { readonly probe: Probe },
  { eniAddress, ownAddress, config }: HeartbeatInput,
): Heartbeat {
  const eni = pathTo(eniAddress);
  const own = ownAddress === undefined ? undefined : pathTo(ownAddress);
  const paths = own === undefined ? [eni] : [eni, own];
  const { port, httpPath, timeoutMs, failures } = config;

  async function beatOn(path: Path, signal: AbortSignal): Promise<void> {
    const why = await probe({ address: path.address, port, httpPath, timeoutMs }, signal);
    path.hasAnswered ||= why === undefined;
    path.missed = why === undefined ? 0 : path.missed + 1;
    path.why = why ?? '';
  }
  const isSilent = (path: Path): boolean => path.missed >= failures;

  return {
    beat: async (signal) => {
      await Promise.all(paths.map((path) => beatOn(path, signal)));
    },
    isLost: () => isSilent(eni),
    isLostTwice: () =>
      paths.length > 1 && paths.every((path) => isSilent(path) && path.hasAnswered),
    describe: () => {
      if (!isSilent(eni)) return eni.hasAnswered ? 'healthy' : 'not heard of yet';
      const never = eni.hasAnswered
        ? ''
        : ', and never was: is the port right, and open in its security groups?';
      const other = own === undefined || isSilent(own) ? '' : `; its own ${own.address} answers`;
      return `no answer from ${eni.address}:${port} (${eni.why})${never}${other}`;
    },
  };
}

function pathTo(address: string): Path {
  return { address, hasAnswered: false, missed: 0, why: '' };
}
