// What other people's algorithms have in common when they run in the simulator instead of berth's.
import { repeat } from '../../../src/claim/calls.ts';
import type { Eni } from '../../../src/model/eni.ts';
import type { Program, SimPorts } from '../program.ts';

export function startPolicy(run: (signal: AbortSignal) => Promise<never>): Program {
  return { run, giveBack: () => Promise.resolve() };
}

/** Until EC2 answers with more than "not now". */
export function persist<T>(
  ports: SimPorts,
  call: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return repeat(ports, call, signal);
}

export function pause({ clock, random }: SimPorts, ms: number, signal: AbortSignal): Promise<void> {
  return clock.sleep(ms * (0.5 + random.next()), signal);
}

/** Sets the routes, says ready, and believes in it for as long as the device is there. */
export async function serve(
  ports: SimPorts,
  { pool, eni }: { readonly pool: string; readonly eni: Eni },
  signal: AbortSignal,
): Promise<void> {
  const { routing } = ports;
  const board = ports.boardOf(pool);
  board.progress('attaching', `waiting for ${eni.eniId}`);
  using deadline = ports.clock.deadline(60_000, signal);
  const device = await ports.devices.wait(eni.mac, deadline.signal).catch(() => undefined);
  const attachment = { deviceIndex: 1, networkCardIndex: 0 };
  const subnet = { subnetId: eni.subnetId, ipv4Cidr: undefined, ipv6Cidrs: [] };
  // Whoever thinks that it holds the ENI says so.
  const shown = device ?? { name: 'ens6', index: 4, mac: eni.mac };
  const claimed = { claimed: { eni, ...attachment, subnet }, device: shown, peers: 0 };
  const plan = await routing.plan(claimed, undefined, signal);
  await routing.apply(plan, signal).catch(() => signal.throwIfAborted());
  board.ready(`${eni.eniId} is ours`);
  using watcher = routing.watch(() => plan, signal);
  for (;;) {
    await watcher.next(20_000);
    const isThere = await routing.problems(plan, signal).then(
      () => true,
      () => false,
    );
    signal.throwIfAborted();
    if (!isThere) break;
  }
  board.withdraw('lost', `${eni.eniId} has no device`);
}
