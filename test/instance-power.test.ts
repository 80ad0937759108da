// An instance with a kernel of its own, in QEMU: ENIs come by PCI hot-plug, udev and networkd are the guest's, and the power
// fails in the middle of things. Each test goes on where the one before it ended.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPower, patienceMs, type Power } from './fixtures/power.ts';
import { whyNoMachine } from './lab/guest-disk.ts';
import { until } from './lab/progress.ts';
import type { LabCall } from './lab/service.ts';
import { instances, poolEni, subnets } from './lab/small-cloud.ts';
import { createLedger, type Ledger } from './lab/soak-ledger.ts';
import { accelerator } from './lab/virtual-machine.ts';

const reason = whyNoMachine === undefined ? '' : ` (skipped: ${whyNoMachine})`;
const { instanceId } = instances['inst-a'];
/** A second one could be taken. */
const spareEni = { eniId: 'eni-0db10000000000002', privateIpv4: '10.0.1.51' };
/** What a service says to a signature that is of another time. */
const late = ['RequestExpired', 'InvalidSignatureException'];
const logs = {
  force_flush_interval: 1,
  logs_collected: {
    files: {
      collect_list: ['synced', 'unsynced'].map((name) => ({
        file_path: `/var/log/app/${name}.log`,
        log_group_name: 'app',
        log_stream_name: name,
      })),
    },
  },
};

describe.skipIf(whyNoMachine !== undefined)(`an instance in QEMU, ${accelerator}${reason}`, () => {
  let power: Power;
  const stack = new AsyncDisposableStack();
  beforeAll(async () => {
    power = stack.use(await createPower());
    const { ec2, ssm } = power.cloud.lab;
    ec2.addEni({ ...spareEni, subnetId: subnets.a.subnetId, tags: { 'berth:pool': 'db' } });
    ssm.put({ name: '/berth/config', value: JSON.stringify({ pool: 'db', logs }) });
  }, patienceMs);
  afterAll(() => stack.disposeAsync());

  /** What EC2 knows of the pool. */
  const pool = () =>
    [poolEni, spareEni].map(({ eniId }) => {
      const { tags, attachment } = power.cloud.lab.ec2.eni(eniId)!;
      return { claimed: tags['berth:owner'] !== undefined, by: attachment?.instanceId };
    });
  const free = { claimed: false, by: undefined };
  const oneHeld = [{ claimed: true, by: instanceId }, free];
  const attaches = (): number =>
    power.cloud.lab.front.calls.filter(
      ({ action, status }) => action === 'AttachNetworkInterface' && status === 200,
    ).length;
  const isServed = (): Promise<true> =>
    power.waitFor(`${poolEni.privateIpv4} is served`, async () =>
      (await power.cloud.vpc.probe('far', poolEni.privateIpv4, 7000, 20_000)).ok ? true : undefined,
    );
  const isReady = async (): Promise<void> => {
    const status = 'systemctl show berth --property=StatusText --value';
    const wanted = `${poolEni.privateIpv4} of ${poolEni.eniId} is served`;
    await power.waitFor(wanted, async () =>
      (await power.shell(status)).includes(wanted) ? true : undefined,
    );
  };

  test(
    'the power fails as EC2 has tagged an ENI: it is claimed, and nobody has it',
    async () => {
      await power.switchOn();
      await power.cutAt(({ action }) => action === 'CreateTags');
      expect(pool()).toEqual([{ claimed: true, by: undefined }, free]);
    },
    2 * patienceMs,
  );

  test(
    'the next boot attaches that one; the power fails as EC2 has attached it',
    async () => {
      await power.switchOn();
      await power.cutAt(({ action }) => action === 'AttachNetworkInterface');
      await power.cloud.lab.ec2.settled();
      expect(pool()).toEqual(oneHeld);
    },
    2 * patienceMs,
  );

  /** What udev and networkd made of a card. */
  const cardOf = async (mac: string) => {
    const links = JSON.parse(await power.shell('ip -json link')) as readonly Link[];
    const { ifindex, ifname, mtu } = links.find(({ address }) => address === mac)!;
    const state = await power.shell(`cat /run/systemd/netif/links/${ifindex}`);
    return { name: ifname, mtu, networkd: /^ADMIN_STATE=(.*)$/m.exec(state)?.[1] };
  };
  const renamed = expect.stringMatching(/^en[ps]\d/) as string;
  const leftAlone = async (): Promise<void> => {
    const ours = await cardOf(poolEni.mac);
    expect(ours).toEqual({ name: renamed, mtu: 9001, networkd: 'unmanaged' });
    const { mac } = power.cloud.lab.ec2.enisOf(instanceId)[0]!;
    // It may have begun a moment ago.
    await power.waitFor('networkd has configured the primary', async () =>
      (await cardOf(mac)).networkd === 'configured' ? true : undefined,
    );
    expect(await cardOf(mac)).toEqual({ name: renamed, mtu: 9001, networkd: 'configured' });
    expect(await power.shell('ip route show table main')).not.toContain(ours.name);
  };

  test(
    'the boot after that serves it: one ENI is held, by one attach, and the other is free',
    async () => {
      await power.switchOn();
      await isServed();
      await isReady();
      expect(pool()).toEqual(oneHeld);
      expect(attaches()).toBe(1);
      await leftAlone();
    },
    2 * patienceMs,
  );

  test(
    'pulled, and plugged into the running machine again: udev names it, networkd leaves it alone, it is served',
    async () => {
      const { ec2 } = power.cloud.lab;
      ec2.detach(ec2.eni(poolEni.eniId)!.attachment!.attachmentId);
      await power.waitFor('another attach', () => (attaches() > 1 ? true : undefined));
      await isServed();
      await isReady();
      expect(pool()).toEqual(oneHeld);
      await leftAlone();
    },
    2 * patienceMs,
  );

  /** What CloudWatch has of a file; its lines are `WRITER NUMBER`. */
  const arrived = (stream: string): Ledger => {
    const ledger = createLedger();
    for (const { message, timestamp } of power.cloud.lab.logs.events('app', stream)) {
      // Where a block was there and its newest bytes are lost, ext4 has zeros after a power cut.
      const [writer, number] = message.replace(/^\0+/, '').split(' ');
      ledger.take(writer!, Number(number), timestamp);
    }
    return ledger;
  };
  const linesOnDisk = async (file: string, writer: string): Promise<number> =>
    Number(await power.shell(`grep -c '^${writer} ' /var/log/app/${file}.log`));

  test(
    'the power fails as CloudWatch has taken a batch: no line is lost that was on the disk, and none is repeated but of what was under way',
    async () => {
      const batches = (): readonly number[] =>
        power.cloud.lab.front.calls
          .filter(
            ({ action, status, input }) =>
              action === 'PutLogEvents' && status === 200 && input['logStreamName'] === 'synced',
          )
          .map(({ input }) => (input['logEvents'] as readonly unknown[]).length);
      let synced = 0;
      using writing = await power.follow('perl /opt/lab/write.pl first 1000000', (line) => {
        synced = Number(line) + 1;
      });
      await power.waitFor('ten batches', () => (batches().length >= 10 ? true : undefined));
      await power.cutAt(
        ({ action, input }) => action === 'PutLogEvents' && input['logStreamName'] === 'synced',
      );
      writing[Symbol.dispose]();
      const underWay = batches()
        .slice(-5)
        .reduce((sum, count) => sum + count, 0);
      const shipped = arrived('unsynced').settledOf('first');

      await power.switchOn();
      await isServed();
      expect(pool()).toEqual(oneHeld);
      const there = await linesOnDisk('synced', 'first');
      expect(there).toBeGreaterThanOrEqual(synced);
      // Else this was no power cut: what CloudWatch has of the other file is gone from the disk.
      expect(await linesOnDisk('unsynced', 'first')).toBeLessThan(shipped);
      const more = 200;
      using _again = await power.follow(`perl /opt/lab/write.pl second ${more}`, () => undefined);
      const missing = () => [
        ...arrived('synced').compare({ first: there, second: more }).examples,
        ...arrived('unsynced').compare({ first: shipped, second: more }).examples,
      ];
      // Its journal is of no help here: it says what was sent, and CloudWatch knows that better.
      await until('everything arrives', patienceMs, () =>
        missing().length === 0 ? true : undefined,
      ).catch(() => undefined);
      expect(missing()).toEqual([]);
      const { repeated } = arrived('synced');
      expect(repeated).toBeGreaterThan(0);
      expect(repeated).toBeLessThanOrEqual(underWay);
    },
    4 * patienceMs,
  );

  test(
    'its clock is in 1970 as it boots: served and shipped, also when that is set right',
    async () => {
      const { front } = power.cloud.lab;
      const refused = (name: LabCall['service'], since: number): number =>
        front.calls
          .slice(since)
          .filter(({ service, code }) => service === name && late.includes(code ?? '')).length;
      const shipped = async (writer: string): Promise<void> => {
        await power.shell(`perl /opt/lab/write.pl ${writer} 10`);
        await power.waitFor(`the lines of ${writer}`, () =>
          arrived('synced').settledOf(writer) === 10 ? true : undefined,
        );
      };
      const atBoot = front.calls.length;
      await power.switchOn('1970-01-02');
      await isServed();
      await isReady();
      // systemd itself sets the clock to the time that it was built at.
      const behindMs = Date.now() - Number(await power.shell('date +%s')) * 1_000;
      expect(behindMs).toBeGreaterThan(15 * 60_000);
      await shipped('early');
      expect(refused('ec2', atBoot)).toBe(1);
      // Both files are sent at once.
      expect([1, 2]).toContain(refused('logs', atBoot));

      const atJump = front.calls.length;
      await power.shell(`date --set=@${Math.round(Date.now() / 1_000)}`);
      await shipped('late');
      expect([1, 2]).toContain(refused('logs', atJump));
      await isServed();
      expect(pool()).toEqual(oneHeld);
    },
    2 * patienceMs,
  );
});

type Link = {
  readonly ifindex: number;
  readonly ifname: string;
  readonly address: string;
  readonly mtu: number;
};
