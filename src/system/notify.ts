// sd_notify(3): datagrams to systemd's socket. Node has no AF_UNIX datagrams, so libc is called through node:ffi
// (boot.md section 3.3); with `NotifyAccess=main` no child process may speak for us.
import { messageOf } from '../errors.ts';

export type Notify = {
  /** `READY=1`, `STATUS=...`; never throws, since systemd's ear is not worth an outage. */
  send(lines: readonly string[]): void;
  /** CLOCK_MONOTONIC, which systemd wants to know of a reload. */
  monotonicUsec(): bigint;
  /** Half of `WatchdogSec`, or undefined where systemd watches nothing. */
  readonly watchdogMs: number | undefined;
};

export type NotifyEnvironment = {
  readonly notifySocket: string | undefined;
  readonly watchdogUsec: string | undefined;
};

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/** Does nothing without a socket. `onError` hears why systemd cannot hear us, once until it can. */
export function createNotify(
  environment: NotifyEnvironment,
  onError: (message: string) => void,
): Notify {
  const usec = Number(environment.watchdogUsec);
  const watchdogMs = Number.isFinite(usec) && usec > 0 ? usec / 2_000 : undefined;
  const { notifySocket } = environment;
  if (notifySocket === undefined || notifySocket === '') {
    return { send: () => undefined, monotonicUsec, watchdogMs };
  }
  let send: ((text: string) => void) | undefined;
  let failed = false;
  return {
    watchdogMs,
    monotonicUsec,
    send: (lines) => {
      try {
        send ??= openSocket(notifySocket);
        send(lines.join('\n'));
        failed = false;
      } catch (error) {
        if (!failed) onError(`cannot speak to systemd at ${notifySocket}: ${messageOf(error)}`);
        failed = true;
      }
    },
  };
}

function monotonicUsec(): bigint {
  return process.hrtime.bigint() / 1000n;
}

function openSocket(path: string): (text: string) => void {
  const { dlopen } = process.getBuiltinModule('node:ffi');
  const { functions: libc } = dlopen(null, {
    socket: { return: 'int32', arguments: ['int32', 'int32', 'int32'] },
    sendto: {
      return: 'int64',
      arguments: ['int32', 'buffer', 'uint64', 'int32', 'buffer', 'uint32'],
    },
  });
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw new Error('socket(AF_UNIX) failed; is AF_UNIX in RestrictAddressFamilies?');
  const address = socketAddress(path);
  return (text) => {
    const bytes = Buffer.from(text);
    const sent = libc.sendto(
      fd,
      bytes,
      BigInt(bytes.length),
      MSG_NOSIGNAL,
      address,
      address.length,
    );
    if (Number(sent) !== bytes.length) throw new Error('sendto failed');
  };
}

/** struct sockaddr_un; `@` stands for the NUL of an abstract name. */
function socketAddress(path: string): Buffer {
  const abstract = path.startsWith('@');
  const name = Buffer.from(abstract ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, 2);
  return address;
}
