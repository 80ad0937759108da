// Listens for Embedded Metric Format documents of applications, as the CloudWatch agent does on port 25888, and spools them.
import { BerthError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { EmfAddress } from '../model/metrics.ts';
import type { Clock } from '../system/clock.ts';
import type { Listener, Listeners } from '../system/listeners.ts';
import type { Spool } from './spool.ts';

export type EmfListenerDeps = {
  readonly clock: Clock;
  readonly listeners: Listeners;
  readonly log: Log;
};

export type EmfNames = { readonly group: string; readonly stream: string | undefined };

export type EmfListener = {
  /** Documents that are no JSON object, or too large. */
  readonly refused: number;
  /** Why nobody is heard now. */
  readonly error: string | undefined;
  /** Ports that are listened on. */
  readonly ports: readonly number[];
  /** Until the signal aborts; what was heard is spooled then. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
};

/** An event of CloudWatch Logs, less what the shipper's own limit takes (logs.md section 1). */
const maxDocumentBytes = 1_048_576 - 1_024;
/** One write to the disk in so long. */
const flushAfterMs = 1_000;
/** Written at once, for as fast as the disk goes; beyond the second one, documents are dropped. */
const flushAtBytes = 1024 * 1024;
const maxHeldBytes = 16 * 1024 * 1024;
const listenAgainMs = 30_000;

export function createEmfListener(
  { clock, listeners, log }: EmfListenerDeps,
  {
    addresses,
    spoolOf,
  }: {
    readonly addresses: readonly EmfAddress[];
    /** `named`: where the document itself wants to go. */
    readonly spoolOf: (named: EmfNames | undefined) => Spool;
  },
): EmfListener {
  let refused = 0;
  const errors = new Map<EmfAddress, string>();
  const open = new Map<EmfAddress, Listener>();
  let held = new Map<Spool, string[]>();
  let heldBytes = 0;
  let flushing: Promise<void> | undefined;
  let hurry: AbortController | undefined;

  const refuse = (why: string): void => {
    if (refused === 0) log.warn(`refused an EMF document: ${why}; more of them are only counted`);
    refused += 1;
  };

  const flush = async (): Promise<void> => {
    while (held.size > 0) {
      const spools = held;
      held = new Map();
      heldBytes = 0;
      for (const [spool, documents] of spools) await spool.append(documents);
    }
  };

  const flushSoon = async (signal: AbortSignal): Promise<void> => {
    hurry = new AbortController();
    const wait = AbortSignal.any([signal, hurry.signal]);
    await clock.sleep(flushAfterMs, wait).catch(() => undefined);
    await flush();
    flushing = undefined;
  };

  const hear = (message: Buffer, signal: AbortSignal): void => {
    if (message.length > maxDocumentBytes) {
      refuse(`it has more than ${maxDocumentBytes} bytes`);
      return;
    }
    const text = message.toString('utf8').trim();
    if (text === '') return;
    const document = objectOf(text);
    if (document === undefined) {
      refuse('it is no JSON object');
      return;
    }
    const spool = spoolOf(namesIn(document));
    if (heldBytes + message.length > maxHeldBytes) {
      spool.drop(1, 'they come faster than the disk takes them');
      return;
    }
    // A newline in JSON is only ever between its tokens.
    const documents = held.get(spool) ?? [];
    documents.push(text.replaceAll(/[\r\n]+/g, ' '));
    held.set(spool, documents);
    heldBytes += message.length;
    flushing ??= flushSoon(signal);
    if (heldBytes >= flushAtBytes) hurry?.abort();
  };

  const listen = async (address: EmfAddress, signal: AbortSignal): Promise<void> => {
    for (;;) {
      try {
        const listener = await listeners.listen(
          { ...address, maxBytes: maxDocumentBytes },
          {
            onMessage: (message) => hear(message, signal),
            onTooLong: () => refuse(`it has more than ${maxDocumentBytes} bytes`),
          },
        );
        open.set(address, listener);
        errors.delete(address);
        const { protocol, host } = address;
        log.info({ protocol, host, port: listener.port }, 'listening for EMF documents');
        return;
      } catch (error) {
        if (!errors.has(address)) log.warn(`${messageOf(error)}; trying again`);
        errors.set(address, messageOf(error));
        if (!(error instanceof BerthError)) return;
        await clock.sleep(listenAgainMs, signal);
      }
    }
  };

  const run = async (signal: AbortSignal): Promise<void> => {
    const ended = Promise.withResolvers<void>();
    if (signal.aborted) return;
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    await Promise.all(addresses.map((address) => listen(address, signal).catch(() => undefined)));
    await ended.promise;
    await Promise.allSettled([...open.values()].map((one) => one[Symbol.asyncDispose]()));
    open.clear();
    await flushing;
    await flush();
  };

  return {
    get refused() {
      return refused;
    },
    get error() {
      return errors.values().next().value;
    },
    get ports() {
      return addresses.flatMap((address) => open.get(address)?.port ?? []);
    },
    run,
  };
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

/** `_aws.LogGroupName`, or `log_group_name` of the format before it, as the agent reads them; a stream only with a group. */
function namesIn(document: Readonly<Record<string, unknown>>): EmfNames | undefined {
  const { _aws: metadata } = document;
  const { LogGroupName, LogStreamName } = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  const { log_group_name: oldGroup, log_stream_name: oldStream } = document;
  const hasNew = typeof LogGroupName === 'string' && LogGroupName !== '';
  const [group, stream] = hasNew ? [LogGroupName, LogStreamName] : [oldGroup, oldStream];
  if (typeof group !== 'string' || group === '') return undefined;
  return { group, stream: typeof stream === 'string' && stream !== '' ? stream : undefined };
}
