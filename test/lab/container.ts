// A container on a host of the local VPC, as docker makes them: a bridge with a subnet of its own, and a port of the host
// that is forwarded to it.
import { systemExec } from '../../src/system/exec.ts';
import { createHost, type Host } from './host.ts';
import { execPrefix, ipBatch } from './namespace.ts';
import type { Vpc } from './vpc.ts';

export const containerAddress = '172.17.0.2';
/** Of the host, forwarded to `containerPort`. */
export const publishedPort = 8_081;
export const containerPort = 8_080;

export type Container = AsyncDisposable & Pick<Host, 'ask'>;

/** Needs nft. Goes with the host, but for its namespace. */
export async function addContainer(vpc: Vpc, host: string): Promise<Container> {
  const name = `box-${process.pid}`;
  const box = await createHost(name);
  await ipBatch(
    [
      'link add docker0 type bridge',
      'addr add 172.17.0.1/16 dev docker0',
      'link set dev docker0 up',
      `link add box0 type veth peer name eth0 netns ${name}`,
      'link set dev box0 master docker0 up',
    ],
    host,
  );
  await ipBatch(
    [
      `addr add ${containerAddress}/16 dev eth0`,
      'link set dev eth0 up',
      'route add default via 172.17.0.1',
    ],
    name,
  );
  await vpc.ask(host, { kind: 'write', path: '/proc/sys/net/ipv4/ip_forward', text: '1' });
  await nft(
    host,
    `table ip docker {
      chain prerouting {
        type nat hook prerouting priority -100; policy accept;
        iifname != "docker0" tcp dport ${publishedPort} dnat to ${containerAddress}:${containerPort}
      }
      chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
      }
    }`,
  );
  await box.ask({ kind: 'serve', host: 'box', port: containerPort });
  return {
    ask: (command) => box.ask(command),
    [Symbol.asyncDispose]: () => box[Symbol.asyncDispose](),
  };
}

/** Runs a script of nft in a host. */
export async function nft(host: string, script: string): Promise<void> {
  const [file, ...prefix] = execPrefix(host);
  const { code, stderr } = await systemExec.run(
    { argv: [file, ...prefix, 'nft', '-f', '-'], stdin: script, timeoutMs: 10_000 },
    new AbortController().signal,
  );
  if (code !== 0) throw new Error(`cannot run nft in ${host}: ${stderr}`);
}
