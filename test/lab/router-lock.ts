// One VPC at a time: test files run side by side in one network namespace, which is the router of them all.
import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until no VPC uses the router of this namespace. Returns what gives it back. */
export async function takeRouter(): Promise<() => Promise<void>> {
  const path = '/run/berth-lab-vpc.pid';
  for (;;) {
    try {
      await using file = await open(path, 'wx');
      await file.writeFile(String(process.pid));
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const pid = Number(await readFile(path, 'utf8').catch(() => ''));
    if (pid > 0 && !isAlive(pid)) await rm(path, { force: true });
    await sleep(20);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
