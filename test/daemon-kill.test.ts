// kill -9 of the real process before everything that it asks of EC2, the disk and the kernel between its configuration
// and ready, then a restart: it converges, holds one ENI, and nothing is leaked.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { converged, createDaemonCloud, type DaemonCloud } from './fixtures/daemon-cloud.ts';
import { inNamespaces, needsNamespaces, scratch } from './lab/environment.ts';
import { subnets } from './lab/small-cloud.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const preload = `--import=${join(import.meta.dirname, 'lab', 'kill-at.ts')}`;
const countFile = join(scratch, 'kill-count');

let cloud: DaemonCloud;

const doomed = (at: number) => ({
  env: { NODE_OPTIONS: preload, KILL_AT: String(at), KILL_COUNT_FILE: countFile },
});

/** How many of them there are in a plain boot. */
async function countAsks(): Promise<number> {
  const daemon = await cloud.startReady(doomed(0));
  daemon.kill('SIGKILL');
  await daemon.ended;
  await cloud.reset();
  return Number(readFileSync(countFile, 'utf8'));
}

describe.skipIf(!inNamespaces)(`kill -9${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
  }, vpcWithinMs);
  afterAll(() => cloud[Symbol.asyncDispose]());

  test(
    'before each thing that the claim and the routing ask for',
    { timeout: 400_000 },
    async () => {
      const asks = await countAsks();
      expect(asks).toBeGreaterThan(15);
      let killed = 0;
      for (let at = 1; at <= asks; at++) {
        const daemon = cloud.start(doomed(at));
        const end = await Promise.race([
          daemon.ended,
          daemon.line('ready', (line) => line['phase'] === 'ready').catch(() => daemon.ended),
        ]);
        daemon.kill('SIGKILL');
        await daemon.ended;
        killed += Number(end === 'SIGKILL');
        // So that two could be held or claimed.
        cloud.lab.ec2.addEni({ subnetId: subnets.a.subnetId, tags: { 'berth:pool': 'db' } });
        expect({ at, ...(await converged(cloud)) }).toEqual({
          at,
          stderr: '',
          held: 1,
          claimed: 1,
          agree: true,
        });
        await cloud.reset();
      }
      // A request more or less is a matter of timing.
      expect(killed).toBeGreaterThan(asks - 5);
    },
  );
});
