// What the kernel and the driver say of a network device: sysfs, and ethtool where it is installed.
import { hasCode } from '../errors.ts';
import { parseEthtool } from '../ship/proc-stats.ts';
import type { Exec } from '../system/exec.ts';
import type { Proc } from '../system/proc.ts';

export type NicFacts = {
  readonly device: string;
  /** `up`, `down`, `unknown` and so on. */
  readonly state: string | undefined;
  readonly mtu: number | undefined;
  readonly speedMbps: number | undefined;
  /** `ena`; undefined: a device without a driver, as a veth is. */
  readonly driver: string | undefined;
  readonly driverVersion: string | undefined;
  /** Of the ENA driver: packets that were shaped or dropped since the device is there. undefined: not to be had. */
  readonly allowances: Readonly<Record<string, number>> | undefined;
};

const ethtoolTimeoutMs = 5_000;

/** Never throws but the signal's reason. */
export async function readNic(
  { proc, exec }: { readonly proc: Proc; readonly exec: Exec },
  device: string,
  signal: AbortSignal,
): Promise<NicFacts> {
  const folder = `/sys/class/net/${device}`;
  const read = (name: string): string | undefined => proc.read(`${folder}/${name}`)?.trim();
  const driver = /^DRIVER=(.+)$/m.exec(read('device/uevent') ?? '')?.[1];
  const ethtool = async (flag: string): Promise<string> => {
    const argv = ['ethtool', flag, device] as const;
    try {
      const input = { argv, stdin: undefined, timeoutMs: ethtoolTimeoutMs };
      const { code, stdout } = await exec.run(input, signal);
      return code === 0 ? stdout : '';
    } catch (error) {
      if (hasCode(error, 'command-missing', 'command-failed', 'timeout')) return '';
      throw error;
    }
  };
  const [information, statistics] =
    driver === undefined ? ['', ''] : await Promise.all([ethtool('-i'), ethtool('-S')]);
  const version =
    /^version: (\S+)/m.exec(information)?.[1] ?? proc.read(`/sys/module/${driver}/version`)?.trim();
  const allowances = Object.entries(parseEthtool(statistics)).filter(([name]) =>
    /_allowance_(exceeded|available)$/.test(name),
  );
  return {
    device,
    state: read('operstate'),
    mtu: positive(read('mtu')),
    speedMbps: positive(read('speed')),
    driver,
    driverVersion: driver === undefined ? undefined : version,
    allowances: allowances.length === 0 ? undefined : Object.fromEntries(allowances),
  };
}

/** The kernel says -1 where it does not know. */
function positive(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
}
