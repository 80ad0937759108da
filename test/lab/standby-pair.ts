// A primary and a standby, real daemons on two instances of the small cloud, and the ways in which the primary may fail.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DaemonProcess } from './daemon-process.ts';
import { scratch } from './environment.ts';
import { policiesOfRole, readPolicy } from './iam.ts';
import { ipBatch } from './namespace.ts';
import { until } from './progress.ts';
import { instances, poolEni, subnets, type InstanceName, type SmallCloud } from './small-cloud.ts';
import { gatewayOf } from './vpc.ts';

export const servicePort = 7000;

export type Fence = 'detach' | 'stop';

export type StandbyPair = AsyncDisposable & {
  readonly primary: DaemonProcess;
  readonly standby: DaemonProcess;
  /** The primary hangs: nothing answers on its addresses, and EC2 says that it runs. */
  hang(): Promise<void>;
  /** ... and goes on as if nothing had been. */
  wake(): Promise<void>;
  /** Resolves when a client reaches the standby at the pool's address. */
  servedByStandby(timeoutMs: number): Promise<void>;
};

const tags = { 'berth:ha-group': 'db-a' };

/** Whatever ran before is gone; the pair is ready and watches. */
export async function startPair(cloud: SmallCloud, fence: Fence): Promise<StandbyPair> {
  const { lab, vpc } = cloud;
  await using undo = new AsyncDisposableStack();
  const names: readonly InstanceName[] = ['inst-a', 'inst-b'];
  const ids = names.map((name) => instances[name].instanceId);
  lab.ec2.createTags([poolEni.eniId, ...ids], tags);
  const words = {
    PARTITION: 'aws',
    REGION: lab.region,
    ACCOUNT: lab.accountId,
    POOL: 'db',
    HA_GROUP: 'db-a',
    LOG_GROUPS: '*',
  };
  const policies = policiesOfRole(tags).map((name) => readPolicy(name, words));
  for (const id of ids) lab.setPolicies(id, policies);
  for (const name of names) await vpc.serve(name, servicePort);

  const start = async (name: InstanceName, config: unknown): Promise<DaemonProcess> => {
    const file = join(scratch, `pair-${name}.json`);
    await writeFile(file, JSON.stringify(config));
    return undo.use(cloud.berth(name, ['run', '--config', file]));
  };
  const primary = await start('inst-a', { pool: 'db' });
  await primary.line('ready', (line) => line['phase'] === 'ready');
  const standby = await start('inst-b', {
    pool: 'db',
    role: 'standby',
    standby: { fence, probe: { port: servicePort } },
  });
  await standby.line(
    'that it watches',
    ({ msg }) => msg?.includes(`held by ${ids[0]}: healthy`) === true,
  );
  const owned = undo.move();
  return {
    primary,
    standby,
    hang: async () => {
      primary.kill('SIGSTOP');
      const links = ['eth0', 'eth1'].map((name) => `link set dev ${name} down`);
      await ipBatch(links, 'inst-a');
    },
    wake: async () => {
      const gateway = gatewayOf(subnets.a.ipv4Cidr);
      const lines = ['link set dev eth0 up', `route replace default via ${gateway} dev eth0`];
      await ipBatch(lines, 'inst-a');
      primary.kill('SIGCONT');
    },
    servedByStandby: async (timeoutMs) => {
      await until('the standby serves', timeoutMs, async () => {
        const { answer } = await vpc.probe('far', poolEni.privateIpv4, servicePort, 200);
        return answer?.host === 'inst-b' || undefined;
      });
    },
    [Symbol.asyncDispose]: async () => {
      primary.kill('SIGCONT');
      await owned.disposeAsync();
    },
  };
}
