// Traffic from every peer position to every local address, by every protocol: how many of them are answered.
import { systemExec } from '../../src/system/exec.ts';
import { addContainer, publishedPort } from './container.ts';
import type { ProbeResult } from './host-agent.ts';
import { peers, ports, type Ground } from './route-ground.ts';

export type Score = { readonly ok: number; readonly of: number };
/** By what is counted: `ENI, v4` (TCP, UDP on that address, ping), `any, v4` (UDP on 0.0.0.0), `published ENI`. */
export type Scores = Map<string, Score>;

/** A reply that leaves by the wrong interface never comes. */
const withinMs = 400;

export type Probes = {
  /** undefined: this host has no ping. */
  readonly ping: boolean;
};

export async function probeAll(ground: Ground, { ping }: Probes): Promise<Scores> {
  const scores: Scores = new Map();
  await eachAddress(ground, async (peer, ip, owner) => {
    const { vpc } = ground;
    const tcp = (await vpc.probe(peer, ip, ports.tcp, withinMs)).ok;
    const udp = (port: number): Promise<unknown> =>
      vpc.ask(peer, { kind: 'probe-udp', ip, port, timeoutMs: withinMs });
    const key = `${owner}, v${ip.includes(':') ? 6 : 4}`;
    count(scores, key, tcp);
    count(scores, key, (await udp(ports.udp)) === true);
    if (ping) count(scores, key, await pinged(ground, peer, ip));
    if (owner === 'ENI') count(scores, 'any', (await udp(ports.udpAny)) === true);
  });
  return scores;
}

/** A port of the host that is forwarded to a container. Needs nft. */
export async function probePublished(ground: Ground): Promise<Scores> {
  await using _container = await addContainer(ground.vpc, ground.host);
  const scores: Scores = new Map();
  await eachAddress(ground, async (peer, ip, owner) => {
    if (ip.includes(':')) return;
    const { answer }: ProbeResult = await ground.vpc.probe(peer, ip, publishedPort, withinMs);
    count(scores, `published ${owner}`, answer?.host === 'box');
  });
  return scores;
}

export function add(scores: Scores, more: Scores): void {
  for (const [key, { ok, of }] of more) {
    const before = scores.get(key) ?? { ok: 0, of: 0 };
    scores.set(key, { ok: before.ok + ok, of: before.of + of });
  }
}

async function eachAddress(
  { addresses }: Ground,
  work: (peer: string, ip: string, owner: 'primary' | 'ENI') => Promise<void>,
): Promise<void> {
  // Side by side for the peers: most of the time is waiting for what never comes.
  await Promise.all(
    peers.map(async (peer) => {
      for (const ip of addresses.primary) await work(peer, ip, 'primary');
      for (const ip of addresses.enis) await work(peer, ip, 'ENI');
    }),
  );
}

function count(scores: Scores, key: string, ok: boolean): void {
  add(scores, new Map([[key, { ok: Number(ok), of: 1 }]]));
}

async function pinged({ vpc }: Ground, peer: string, ip: string): Promise<boolean> {
  const [file, ...prefix] = vpc.exec(peer);
  const argv = [file, ...prefix, 'ping', '-n', '-q', '-c', '1', '-W', '0.4', ip] as const;
  const { code } = await systemExec.run(
    { argv, stdin: undefined, timeoutMs: 5_000 },
    new AbortController().signal,
  );
  return code === 0;
}
