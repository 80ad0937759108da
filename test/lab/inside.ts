// The ports of src/system for a network namespace of the lab, so that real code of berth acts in there.
import { createDevices, type Devices } from '../../src/system/devices.ts';
import { systemClock, type Clock } from '../../src/system/clock.ts';
import { systemExec, type Exec } from '../../src/system/exec.ts';
import { sysctlError, type Sysctl } from '../../src/system/sysctl.ts';
import { createUdev, type Udev } from '../../src/system/udev.ts';
import { createMemoryLog, type MemoryLog } from '../fakes/log.ts';
import type { AgentCommand } from './host-agent.ts';
import { execPrefix } from './namespace.ts';

export type Inside = {
  readonly exec: Exec;
  readonly sysctl: Sysctl;
  readonly devices: Devices;
  readonly udev: Udev;
  readonly clock: Clock;
  readonly log: MemoryLog;
};

export type InsideInput = {
  readonly namespace: string;
  readonly ask: (command: AgentCommand) => Promise<unknown>;
  /** Goes before each program, e.g. to take capabilities away. */
  readonly wrap?: readonly string[];
};

export function createInside({ namespace, ask, wrap = [] }: InsideInput): Inside {
  const prefix = [...execPrefix(namespace), ...wrap] as const;
  const exec: Exec = {
    run: (input, signal) =>
      systemExec.run(
        { ...input, argv: [prefix[0], ...prefix.slice(1), ...input.argv] as const },
        signal,
      ),
    follow: (argv, onLine, signal) =>
      systemExec.follow([prefix[0], ...prefix.slice(1), ...argv], onLine, signal),
  };
  return {
    exec,
    sysctl: createSysctl(ask),
    devices: createDevices({ exec, clock: systemClock }),
    // The host's own, if it has one, knows nothing of namespaces.
    udev: createUdev('/run/no-udev'),
    clock: systemClock,
    log: createMemoryLog(),
  };
}

/** /proc/sys/net is that of the reader's namespace, so the agent in there has to do it. */
function createSysctl(ask: InsideInput['ask']): Sysctl {
  return {
    read: async (name) => {
      try {
        return ((await ask({ kind: 'read', path: `/proc/sys/${name}` })) as string).trim();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    write: async (name, value) => {
      try {
        await ask({ kind: 'write', path: `/proc/sys/${name}`, text: value });
      } catch (error) {
        throw sysctlError(name, value, error);
      }
    },
    isWritable: () => Promise.resolve(true),
  };
}
