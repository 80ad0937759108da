// What systemd hears, over real datagram sockets: one with a path and an abstract one.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { createNotify } from '../../src/system/notify.ts';
import { createSystemd } from '../../src/tell/systemd.ts';
import { listenAt } from '../fixtures/notified.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const notifyAt = (notifySocket: string | undefined, watchdogUsec?: string) => {
  const errors: string[] = [];
  const notify = createNotify({ notifySocket, watchdogUsec }, (message) => errors.push(message));
  return { notify, errors };
};

describe('createSystemd', () => {
  test.each(['path', 'abstract'])(
    'up, status in one line, stopping: over an %s socket',
    async (kind) => {
      using folder = temporaryFolder();
      const at =
        kind === 'path' ? join(folder.path, 'notify') : `@berth-${process.pid}-${folder.path}`;
      using systemd = await listenAt(at);
      const { notify, errors } = notifyAt(at);
      const told = createSystemd({ notify, clock: systemClock });
      told.processUp();
      told.status('two\nlines, ünïcode');
      told.reloading();
      told.stopping();
      await systemd.datagram(/^STOPPING=1$/);
      expect(systemd.heard).toEqual([
        'READY=1',
        'STATUS=two lines, ünïcode',
        expect.stringMatching(/^RELOADING=1\nMONOTONIC_USEC=\d+\nEXTEND_TIMEOUT_USEC=200000000$/),
        'STOPPING=1',
      ]);
      expect(errors).toEqual([]);
    },
  );

  test('the watchdog at half its time, until the signal', async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, 'notify');
    using systemd = await listenAt(at);
    const { notify } = notifyAt(at, '30000000');
    expect(notify.watchdogMs).toBe(15_000);
    const stop = new AbortController();
    const slept: number[] = [];
    const sleep = async (ms: number): Promise<void> => {
      slept.push(ms);
      if (slept.length === 3) stop.abort(new Error('stopped'));
    };
    await createSystemd({ notify, clock: { ...systemClock, sleep } }).watchdog(stop.signal);
    expect(slept).toEqual([15_000, 15_000, 15_000]);
    notify.send(['END=1']);
    await systemd.datagram(/^END=1$/);
    expect(systemd.heard).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1', 'END=1']);
  });

  test.each([undefined, '', '0', 'soon'])('no watchdog with WATCHDOG_USEC=%s', async (usec) => {
    const { notify } = notifyAt(undefined, usec);
    expect(notify.watchdogMs).toBeUndefined();
    const { signal } = new AbortController();
    await createSystemd({ notify, clock: systemClock }).watchdog(signal);
  });
});

describe('createNotify', () => {
  test.each([undefined, ''])('does nothing without a socket (%j)', (path) => {
    const { notify, errors } = notifyAt(path);
    notify.send(['READY=1']);
    expect(errors).toEqual([]);
  });

  test('a socket that nobody listens on is said once; it is heard when somebody does', async () => {
    using folder = temporaryFolder();
    const at = join(folder.path, 'notify');
    const { notify, errors } = notifyAt(at);
    notify.send(['READY=1']);
    notify.send(['STATUS=starting']);
    expect(errors).toEqual([expect.stringContaining(`cannot speak to systemd at ${at}`)]);
    using systemd = await listenAt(at);
    notify.send(['READY=1']);
    await systemd.datagram(/^READY=1$/);
    expect(errors).toHaveLength(1);
  });
});
