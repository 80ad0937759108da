// EMF documents over real sockets of the loopback: UDP and TCP, what is refused, and a port that is taken.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import type { EmfAddress } from '../../src/model/metrics.ts';
import { createEmfListener, type EmfListener } from '../../src/ship/emf-listener.ts';
import type { Spool } from '../../src/ship/spool.ts';
import { systemListeners } from '../../src/system/listeners.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { createMemoryLog } from '../fakes/log.ts';

const udp: EmfAddress = { protocol: 'udp', host: '127.0.0.1', port: 0 };
const tcp: EmfAddress = { protocol: 'tcp', host: '127.0.0.1', port: 0 };

type Rig = AsyncDisposable & {
  readonly listener: EmfListener;
  readonly lines: string[];
  readonly log: ReturnType<typeof createMemoryLog>;
  readonly dropped: () => number;
  /** Ends it; everything is spooled then. */
  end(): Promise<void>;
};

async function start(addresses: readonly EmfAddress[], diskMs = 0): Promise<Rig> {
  const lines: string[] = [];
  const log = createMemoryLog();
  let dropped = 0;
  const spool: Spool = {
    written: 0,
    dropped: 0,
    error: undefined,
    append: async (more) => {
      await new Promise((resolve) => setTimeout(resolve, diskMs));
      lines.push(...more);
    },
    drop: (count) => {
      dropped += count;
    },
  };
  const over = new AbortController();
  const listener = createEmfListener(
    { clock: createHastyClock(20), listeners: systemListeners, log },
    { addresses, spoolOf: () => spool },
  );
  const running = listener.run(over.signal);
  const end = async (): Promise<void> => {
    over.abort();
    await running;
  };
  await vi.waitFor(() => expect(listener.error ?? listener.ports[0]).toBeDefined());
  return { listener, lines, log, dropped: () => dropped, end, [Symbol.asyncDispose]: end };
}

const portOf = ({ listener }: Rig): number => listener.ports[0]!;

async function sendUdp(port: number, ...messages: readonly string[]): Promise<void> {
  const socket = createSocket('udp4');
  for (const message of messages) {
    await new Promise((resolve) => socket.send(message, port, '127.0.0.1', resolve));
  }
  socket.close();
}

async function sendTcp(port: number, ...parts: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  for (const part of parts) {
    socket.write(part);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  socket.end();
  await once(socket, 'close');
}

const seen = (rig: Rig, count: number): Promise<void> =>
  vi.waitFor(() => expect(rig.lines.length + rig.listener.refused).toBe(count));

describe('UDP', () => {
  test('a datagram is a document, also one of several lines', async () => {
    await using rig = await start([udp]);
    await sendUdp(portOf(rig), '{"_aws":{},"a":1}\n', '{\n  "b": "x\\ny"\r\n}', '\n');
    await seen(rig, 2);
    expect(rig.lines).toEqual(['{"_aws":{},"a":1}', '{   "b": "x\\ny" }']);
    expect(rig.lines.map((line) => JSON.parse(line) as unknown)[1]).toEqual({ b: 'x\ny' });
  });

  test('what is no JSON object is counted, said once, and not spooled', async () => {
    await using rig = await start([udp]);
    await sendUdp(portOf(rig), 'no json', '[1]', '{"a":', '"text"', '{"good":1}');
    await seen(rig, 5);
    expect(rig.lines).toEqual(['{"good":1}']);
    expect(rig.listener.refused).toBe(4);
    expect(rig.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });
});

describe('TCP', () => {
  test('a line is a document, however it is cut into pieces', async () => {
    await using rig = await start([tcp]);
    await sendTcp(portOf(rig), '{"a":1}\n{"b"', ':2}', '\r\n\n{"c":"ü"}');
    await seen(rig, 3);
    expect(rig.lines).toEqual(['{"a":1}', '{"b":2}', '{"c":"ü"}']);
  });

  test('one that is too large is passed over, and the next one is heard', async () => {
    await using rig = await start([tcp]);
    const large = `{"a":"${'x'.repeat(1_100_000)}"}\n`;
    const fits = `{"a":"${'x'.repeat(1_000_000)}"}`;
    await sendTcp(portOf(rig), large, `${fits}\n`);
    await seen(rig, 2);
    expect(rig.lines).toEqual([fits]);
    expect(rig.listener.refused).toBe(1);
  });
});

test('a line that does not end is given up at the limit, not held', async () => {
  await using rig = await start([tcp]);
  const socket = connect(portOf(rig), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write('x'.repeat(1_100_000));
  await vi.waitFor(() => expect(rig.listener.refused).toBe(1));
  socket.destroy();
});

test('both at once, each on its own port', async () => {
  await using rig = await start([udp, tcp]);
  await vi.waitFor(() => expect(rig.listener.ports).toHaveLength(2));
  await sendUdp(rig.listener.ports[0]!, '{"by":"udp"}');
  await sendTcp(rig.listener.ports[1]!, '{"by":"tcp"}');
  await seen(rig, 2);
  expect(rig.lines.toSorted()).toEqual(['{"by":"tcp"}', '{"by":"udp"}']);
});

test('what was heard last is spooled at the end, and the port is free again', async () => {
  const first = await start([tcp], 100);
  const port = portOf(first);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write('{"last":1}\n');
  await new Promise((resolve) => setTimeout(resolve, 20));
  await first.end();
  expect(first.lines).toEqual(['{"last":1}']);
  await using second = await start([{ ...tcp, port }]);
  expect(portOf(second)).toBe(port);
});

test('a port that is taken: says so, and listens once it is free', async () => {
  const first = await start([udp]);
  const port = portOf(first);
  await using second = await start([{ ...udp, port }]);
  expect(second.listener.error).toMatch(
    /^cannot listen on udp:\/\/127\.0\.0\.1:\d+: another program/,
  );
  await first.end();
  await vi.waitFor(() => expect(second.listener.ports).toEqual([port]), 5_000);
  expect(second.listener.error).toBeUndefined();
  expect(second.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
});
