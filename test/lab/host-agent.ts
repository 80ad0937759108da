// The program inside a host of the lab: answers TCP, connects to others and touches /proc/sys, as its parent asks by IPC.
import { createSocket } from 'node:dgram';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';

export type AgentCommand =
  | { readonly kind: 'serve'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'probe';
      readonly ip: string;
      readonly port: number;
      readonly timeoutMs: number;
      readonly localAddress: string | undefined;
    }
  /** UDP, on one address or on all of them: 0.0.0.0 or ::. */
  | { readonly kind: 'serve-udp'; readonly ip: string; readonly port: number }
  /** Takes an answer from the address that was asked alone. */
  | {
      readonly kind: 'probe-udp';
      readonly ip: string;
      readonly port: number;
      readonly timeoutMs: number;
    }
  /** The path decides nothing, the namespace does: /proc/sys/net is the reader's own. */
  | { readonly kind: 'read'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly text: string };

export type AgentRequest = { readonly id: number; readonly command: AgentCommand };
export type AgentReply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string; readonly code: string | undefined };

/** What the echo server answers. */
export type Echo = {
  readonly host: string;
  readonly localAddress: string;
  readonly remoteAddress: string;
};

export type ProbeResult = {
  readonly ok: boolean;
  readonly ms: number;
  /** Who answered; undefined: nobody. */
  readonly answer: Echo | undefined;
  /** `timeout`, `ECONNREFUSED`, ...; undefined: none. */
  readonly error: string | undefined;
};

async function serve(host: string, port: number): Promise<void> {
  const server = createServer((socket) => {
    const { localAddress, remoteAddress } = socket;
    socket.on('error', () => undefined);
    socket.once('data', () => {
      const echo = { host, localAddress: plain(localAddress), remoteAddress: plain(remoteAddress) };
      socket.end(`${JSON.stringify(echo)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // And IPv4, whose addresses then look like ::ffff:10.0.1.20.
    server.listen(port, '::', resolve);
  });
}

function plain(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:/, '');
}

function probe(command: AgentCommand & { kind: 'probe' }): Promise<ProbeResult> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    const socket = connect({
      host: command.ip,
      port: command.port,
      ...(command.localAddress === undefined ? {} : { localAddress: command.localAddress }),
    });
    let text = '';
    const finish = (error: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      const answer = text === '' ? undefined : (JSON.parse(text) as Echo);
      const ok = answer?.localAddress === command.ip;
      resolve({ ok, ms: performance.now() - startMs, answer, error });
    };
    const timer = setTimeout(() => finish('timeout'), command.timeoutMs);
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on('end', () => finish(text === '' ? 'no answer' : undefined));
    socket.write('who are you?\n');
  });
}

async function serveUdp({ ip, port }: AgentCommand & { kind: 'serve-udp' }): Promise<void> {
  const socket = createSocket({ type: udpTypeOf(ip), ipv6Only: ip.includes(':') });
  // Of others that are gone.
  socket.on('error', () => undefined);
  socket.on('message', (message, { address, port: to }) => socket.send(message, to, address));
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, ip, resolve);
  });
}

function probeUdp(command: AgentCommand & { kind: 'probe-udp' }): Promise<boolean> {
  const { ip, port, timeoutMs } = command;
  const socket = createSocket(udpTypeOf(ip));
  return new Promise((resolve) => {
    const finish = (ok: boolean): void => {
      clearTimeout(timer);
      socket.close();
      resolve(ok);
    };
    const timer = setTimeout(() => finish(false), timeoutMs);
    socket.once('error', () => finish(false));
    socket.once('message', () => finish(true));
    socket.connect(port, ip, () => socket.send('who are you?'));
  });
}

function udpTypeOf(ip: string): 'udp4' | 'udp6' {
  return ip.includes(':') ? 'udp6' : 'udp4';
}

function perform(command: AgentCommand): Promise<unknown> {
  if (command.kind === 'serve-udp') return serveUdp(command);
  if (command.kind === 'probe-udp') return probeUdp(command);
  if (command.kind === 'serve') return serve(command.host, command.port);
  if (command.kind === 'probe') return probe(command);
  if (command.kind === 'read') return readFile(command.path, 'utf8');
  return writeFile(command.path, command.text);
}

process.on('message', (request: AgentRequest) => {
  const { id, command } = request;
  perform(command).then(
    (value) => process.send!({ id, value } satisfies AgentReply),
    (error: NodeJS.ErrnoException) =>
      process.send!({ id, error: error.message, code: error.code } satisfies AgentReply),
  );
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
