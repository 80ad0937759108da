// Network devices of the kernel: look one up by MAC, or wait until it appears.
import { BerthError, hasCode } from '../errors.ts';
import type { Device } from '../model/eni.ts';
import type { Clock } from './clock.ts';
import type { Exec } from './exec.ts';
import { runIp } from './iproute.ts';

/** A device as the kernel describes it. */
export type Link = Device & {
  readonly mtu: number;
  readonly up: boolean;
  /** Of a virtual device: `vlan`, `bridge`, `veth`; undefined: hardware. */
  readonly kind: string | undefined;
};

export type Devices = {
  /** Throws `command-missing`, `command-failed`. */
  list(signal: AbortSignal): Promise<readonly Link[]>;
  /** undefined: there is none. `maxAgeMs`: so old may a listing be that has it, 0 by default. Throws like `list`. */
  find(mac: string, signal: AbortSignal, maxAgeMs?: number): Promise<Link | undefined>;
  /** Waits for as long as `signal` lets it. Throws like `list`, `device-missing` when the signal was a deadline. */
  wait(mac: string, signal: AbortSignal): Promise<Link>;
};

/** They carry the MAC of the device below them. */
const stackedKinds = ['bridge', 'bond', 'team', 'vlan', 'macvlan', 'macvtap', 'ipvlan'];

/**
 * Looks without an event: soon at first, since the monitor needs some milliseconds until it listens,
 * then every 2 s in case it ends.
 */
const sweepsMs = [50, 200, 1_000, 2_000] as const;

export function createDevices(deps: { readonly exec: Exec; readonly clock: Clock }): Devices {
  let last: { readonly links: readonly Link[]; readonly atMs: number } | undefined;
  const list = async (signal: AbortSignal): Promise<readonly Link[]> => {
    const atMs = deps.clock.monotonicMs();
    const args = ['-json', '-details', 'link', 'show'];
    const result = await runIp(deps, { args }, signal);
    if (result.code !== 0) {
      throw new BerthError(
        'command-failed',
        `cannot list the network devices: "ip ${args.join(' ')}" says ${result.stderr.trim()}; berth needs iproute2 4.18 or later`,
        { retryable: true },
      );
    }
    last = { links: parseLinks(result.stdout), atMs };
    return last.links;
  };
  const find: Devices['find'] = async (mac, signal, maxAgeMs = 0) => {
    const isWanted = (link: Link): boolean => link.mac === mac && !isStacked(link);
    const isFresh = last !== undefined && deps.clock.monotonicMs() - last.atMs < maxAgeMs;
    return (
      (isFresh ? last?.links.find(isWanted) : undefined) ?? (await list(signal)).find(isWanted)
    );
  };

  return {
    list,
    find,
    wait: async (mac, signal) => {
      using stop = stopper(signal);
      let change = Promise.withResolvers<void>();
      let monitor: Promise<void> | undefined;
      try {
        for (let look = 0; ; look++) {
          change = Promise.withResolvers<void>();
          const device = await find(mac, signal).catch(unlessSlow);
          if (device !== undefined) return device;
          monitor ??= deps.exec
            .follow(['ip', 'monitor', 'link'], () => change.resolve(), stop.signal)
            // The sweep does without it, and says better what is wrong.
            .catch(() => undefined);
          using pause = stopper(signal);
          const sweepMs = sweepsMs[Math.min(look, sweepsMs.length - 1)]!;
          const sleep = deps.clock.sleep(sweepMs, pause.signal).catch(() => undefined);
          await Promise.race([change.promise, sleep]);
          signal.throwIfAborted();
        }
      } catch (error) {
        throw isTimeout(signal) ? missing(mac, signal.reason) : error;
      } finally {
        stop[Symbol.dispose]();
        await monitor;
      }
    },
  };
}

/** Does it carry the MAC of another device? */
export function isStacked({ kind }: Link): boolean {
  return stackedKinds.includes(kind ?? '');
}

/** Output of `ip -json -details link show`. */
export function parseLinks(json: string): readonly Link[] {
  const links = JSON.parse(json === '' ? '[]' : json) as readonly LinkJson[];
  return links
    .filter((link) => link.ifname !== undefined)
    .map((link) => ({
      name: link.ifname!,
      index: link.ifindex,
      mac: (link.address ?? '').toLowerCase(),
      mtu: link.mtu,
      up: link.flags.includes('UP'),
      kind: link.linkinfo?.info_kind,
    }));
}

type LinkJson = {
  readonly ifname?: string;
  readonly ifindex: number;
  readonly address?: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string };
};

/** A signal that aborts with `parent`, or at the end of the block. */
function stopper(parent: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  return {
    signal: AbortSignal.any([parent, controller.signal]),
    [Symbol.dispose]: () => controller.abort(new DOMException('no longer needed', 'AbortError')),
  };
}

/** One look that a starved host did not finish says nothing of the device, and the next look may. */
function unlessSlow(error: unknown): undefined {
  if (!hasCode(error, 'timeout')) throw error;
}

function isTimeout(signal: AbortSignal): boolean {
  return (
    signal.aborted && signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
  );
}

function missing(mac: string, cause: unknown): BerthError {
  return new BerthError(
    'device-missing',
    `cannot find the network device with MAC ${mac}: it did not appear in time; look for errors of its driver with "dmesg"`,
    { cause, retryable: true, details: { mac } },
  );
}
