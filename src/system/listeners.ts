// Sockets that programs of this host send messages to: UDP, a datagram a message, and TCP, a line a message.
import { createSocket } from 'node:dgram';
import { createServer, isIPv6, type Socket } from 'node:net';
import { BerthError, messageOf } from '../errors.ts';

export type ListenInput = {
  readonly protocol: 'udp' | 'tcp';
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
  /** A TCP line that is longer ends in `onTooLong`, its rest is passed over. */
  readonly maxBytes: number;
};

export type Heard = {
  /** Without its newline. */
  readonly onMessage: (message: Buffer) => void;
  readonly onTooLong: () => void;
};

export type Listener = AsyncDisposable & { readonly port: number };

export type Listeners = {
  /** Throws `already-running` where another program has the port, else `not-permitted`. */
  listen(input: ListenInput, heard: Heard): Promise<Listener>;
};

/** More connections than this are refused: each holds a file descriptor, and may hold a line of `maxBytes`. */
const maxConnections = 512;
/** What comes in while the loop is busy waits in the kernel; its own bound may be lower (net.core.rmem_max). */
const receiveBufferBytes = 4 * 1024 * 1024;

export const systemListeners: Listeners = {
  listen: (input, heard) => (input.protocol === 'udp' ? listenUdp : listenTcp)(input, heard),
};

async function listenUdp(input: ListenInput, { onMessage }: Heard): Promise<Listener> {
  const { host, port } = input;
  const socket = createSocket({
    type: isIPv6(host) ? 'udp6' : 'udp4',
    recvBufferSize: receiveBufferBytes,
  });
  socket.on('message', onMessage);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('error', reject);
  socket.bind({ port, address: host, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw listenError(input, error);
  }
  socket.off('error', reject).on('error', () => undefined);
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

async function listenTcp(input: ListenInput, heard: Heard): Promise<Listener> {
  const { host, port, maxBytes } = input;
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    clients.add(socket);
    socket.on('error', () => undefined);
    const lines = createLineReader(maxBytes, heard);
    socket.on('data', lines.push);
    socket.on('close', () => {
      clients.delete(socket);
      lines.end();
    });
  });
  server.maxConnections = maxConnections;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ port, host, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    throw listenError(input, error);
  }
  server.off('error', reject).on('error', () => undefined);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of clients) socket.destroy();
      await closed;
    },
  };
}

type LineReader = { readonly push: (chunk: Buffer) => void; readonly end: () => void };

/** The last line needs no newline: the end of the connection is one. */
function createLineReader(maxBytes: number, { onMessage, onTooLong }: Heard): LineReader {
  let parts: Buffer[] = [];
  let bytes = 0;
  let isPassedOver = false;
  const add = (part: Buffer): void => {
    bytes += part.length;
    if (isPassedOver) return;
    if (bytes > maxBytes) {
      isPassedOver = true;
      parts = [];
      onTooLong();
    } else parts.push(part);
  };
  const end = (): void => {
    if (!isPassedOver && bytes > 0) onMessage(Buffer.concat(parts));
    parts = [];
    bytes = 0;
    isPassedOver = false;
  };
  return {
    push: (chunk) => {
      let from = 0;
      for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
        add(chunk.subarray(from, at));
        end();
        from = at + 1;
      }
      if (from < chunk.length) add(chunk.subarray(from));
    },
    end,
  };
}

function listenError({ protocol, host, port }: ListenInput, error: unknown): BerthError {
  const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  const why = taken
    ? 'another program has it (the CloudWatch agent?); stop that one, or set service_address'
    : messageOf(error);
  return new BerthError(
    taken ? 'already-running' : 'not-permitted',
    `cannot listen on ${protocol}://${host}:${port}: ${why}`,
    { cause: error, retryable: true },
  );
}
