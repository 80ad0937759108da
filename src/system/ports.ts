// All ports to the outside world, as the daemon and the commands get them.
import type { Log } from '../log.ts';
import { systemClock, type Clock } from './clock.ts';
import { createDevices, type Devices } from './devices.ts';
import { systemExec, type Exec } from './exec.ts';
import { systemFiles, type Files } from './files.ts';
import { systemHangup, type Hangup } from './hangup.ts';
import { systemHostFiles, type HostFiles } from './host-files.ts';
import { createHttp, imdsConnections, type Http } from './http.ts';
import { systemHttpServers, type HttpServers } from './http-server.ts';
import { systemLines, type Lines } from './lines.ts';
import { systemLocalSockets, type LocalSockets } from './local-socket.ts';
import { systemListeners, type Listeners } from './listeners.ts';
import { systemLogFiles, type LogFiles } from './log-files.ts';
import { createNotify, type Notify } from './notify.ts';
import { systemProbe, type Probe } from './probe.ts';
import { systemProc, type Proc } from './proc.ts';
import { systemRandom, type Random } from './random.ts';
import { systemResolve, type Resolve } from './resolve.ts';
import { systemSpoolFiles, type SpoolFiles } from './spool-files.ts';
import { systemSysctl, type Sysctl } from './sysctl.ts';
import { systemTrustedFolders, type TrustedFolders } from './trusted-folders.ts';
import { createUdev, type Udev } from './udev.ts';

export type Ports = {
  readonly clock: Clock;
  readonly random: Random;
  readonly exec: Exec;
  readonly files: Files;
  readonly logFiles: LogFiles;
  readonly resolve: Resolve;
  readonly lines: Lines;
  readonly spoolFiles: SpoolFiles;
  readonly proc: Proc;
  readonly listeners: Listeners;
  readonly hostFiles: HostFiles;
  readonly http: Http;
  readonly httpServers: HttpServers;
  readonly probe: Probe;
  readonly sockets: LocalSockets;
  readonly devices: Devices;
  readonly sysctl: Sysctl;
  readonly trustedFolders: TrustedFolders;
  readonly udev: Udev;
  readonly hangup: Hangup;
  readonly notify: Notify;
  readonly log: Log;
};

export function createPorts(log: Log): Ports & Disposable {
  const http = createHttp(imdsConnections);
  return {
    clock: systemClock,
    random: systemRandom,
    exec: systemExec,
    files: systemFiles,
    logFiles: systemLogFiles,
    resolve: systemResolve,
    lines: systemLines,
    spoolFiles: systemSpoolFiles,
    proc: systemProc,
    listeners: systemListeners,
    hostFiles: systemHostFiles,
    http,
    httpServers: systemHttpServers,
    probe: systemProbe,
    sockets: systemLocalSockets,
    devices: createDevices({ exec: systemExec, clock: systemClock }),
    sysctl: systemSysctl,
    trustedFolders: systemTrustedFolders,
    udev: createUdev('/run/udev'),
    hangup: systemHangup,
    notify: createNotify(
      {
        notifySocket: process.env['NOTIFY_SOCKET'],
        watchdogUsec: process.env['WATCHDOG_USEC'],
      },
      (message) => log.warn(message),
    ),
    log,
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}
