// The daemon as a process, from the claim on: everything that can be wrong around it. It says what is wrong and what
// to do, stays up, and is ready once that is put right, with one ENI held and no claim too many.
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createDaemonCloud,
  instanceId,
  isReady,
  ownArn,
  type DaemonCloud,
} from './fixtures/daemon-cloud.ts';
import { memberPolicies, rolePolicies, rolePoliciesWithout } from './fixtures/role.ts';
import type { DaemonProcess } from './lab/daemon-process.ts';
import { inNamespaces, needsNamespaces, scratch } from './lab/environment.ts';
import type { LabEni } from './lab/ec2-world.ts';
import type { LabFaultRule } from './lab/service.ts';
import { instances, poolEni, subnets } from './lab/small-cloud.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const port = 7000;

let cloud: DaemonCloud;

const says =
  (text: RegExp) =>
  ({ message }: { readonly message: string }): boolean =>
    text.test(message);

/** Out of the pool. */
const attached = (): readonly LabEni[] =>
  cloud.held().filter((eni) => eni.tags['berth:pool'] !== undefined);

/** What there is at the end: ENIs of the pool that are attached to the instance or carry its name, and a crash. */
function outcome(daemon: DaemonProcess): Readonly<Record<string, unknown>> {
  const claimed = cloud.lab.ec2.enis().filter((eni) => eni.tags['berth:owner'] === ownArn);
  return {
    held: attached().length,
    claimed: claimed.map((eni) => eni.eniId),
    stderr: daemon.stderr(),
  };
}

/** One ENI is held, and the instance's name is on it and on no other. */
function oneHeld(): Readonly<Record<string, unknown>> {
  return { held: 1, claimed: attached().map((eni) => eni.eniId), stderr: '' };
}

const actions = (): readonly string[] => cloud.lab.front.calls.map((call) => call.action);

describe.skipIf(!inNamespaces)(`claim${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
    await cloud.vpc.serve('inst-a', port);
  }, vpcWithinMs);
  afterEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  describe('a permission is missing', () => {
    test.each(['ec2:DescribeNetworkInterfaces', 'ec2:CreateTags', 'ec2:AttachNetworkInterface'])(
      '%s: the status names it; ready once it is there',
      async (action) => {
        cloud.lab.setPolicies(instanceId, rolePoliciesWithout(action));
        const daemon = cloud.start();
        const { ready } = await cloud.status(
          'the permission',
          says(new RegExp(`lacks.* ${action}`)),
        );
        expect(ready).toBe(false);
        cloud.lab.setPolicies(instanceId, rolePolicies());
        await daemon.line('ready', isReady);
        expect(outcome(daemon)).toEqual(oneHeld());
      },
    );
  });

  describe('the first look at the pool that the tag names', () => {
    test('is taken while Parameter Store makes up its mind, and not a second time', async () => {
      const { front, ssm } = cloud.lab;
      ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
      front.fail({ match: 'ssm:GetParameter', times: 1, fault: { kind: 'slow', ms: 500 } });
      const before = front.calls.length;
      const daemon = await cloud.startReady({ config: undefined });
      // In the order in which they ended.
      expect(cloud.lab.front.calls.slice(before).map(({ action }) => action)).toEqual([
        'DescribeNetworkInterfaces',
        'GetParameter',
        'CreateTags',
        'AttachNetworkInterface',
      ]);
      expect(outcome(daemon)).toEqual(oneHeld());
    });

    test('is at the pool of the last claim, where no tag names one', async () => {
      const { ec2, front, ssm } = cloud.lab;
      ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
      ec2.deleteTags([instanceId], [{ key: 'berth:pool', value: undefined }]);
      try {
        const first = await cloud.startReady({ config: undefined });
        first.kill('SIGTERM');
        await first.ended;
        front.fail({ match: 'ssm:GetParameter', times: 1, fault: { kind: 'slow', ms: 500 } });
        const before = front.calls.length;
        const daemon = await cloud.startReady({ config: undefined });
        expect(front.calls.slice(before).map(({ action }) => action)).toEqual([
          'DescribeNetworkInterfaces',
          'GetParameter',
          // Of the ENI that it has.
          'DescribeNetworkInterfaces',
        ]);
        expect(outcome(daemon)).toEqual(oneHeld());
      } finally {
        ec2.createTags([instanceId], { 'berth:pool': 'db' });
      }
    });

    test('is for nothing where the configuration names another pool', async () => {
      const { ec2, front, ssm } = cloud.lab;
      ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
      ec2.createTags([instanceId], { 'berth:pool': 'web' });
      try {
        const before = front.calls.length;
        const daemon = await cloud.startReady({ config: undefined });
        expect(
          cloud.lab.front.calls
            .slice(before)
            .map(({ action }) => action)
            .toSorted(),
        ).toEqual([
          'AttachNetworkInterface',
          'CreateTags',
          'DescribeNetworkInterfaces',
          'DescribeNetworkInterfaces',
          'GetParameter',
        ]);
        expect(outcome(daemon)).toEqual(oneHeld());
      } finally {
        ec2.createTags([instanceId], { 'berth:pool': 'db' });
      }
    });

    test('fails: it is taken again, as any other', async () => {
      const { front, ssm } = cloud.lab;
      ssm.put({ name: '/berth/config', value: '{ "pool": "db" }' });
      front.fail({
        match: 'ec2:DescribeNetworkInterfaces',
        times: 1,
        fault: { kind: 'error', code: 'RequestLimitExceeded', status: 503 },
      });
      const daemon = await cloud.startReady({ config: undefined });
      expect(outcome(daemon)).toEqual(oneHeld());
    });
  });

  test('role standby: says whom it watches, and takes the place of one that EC2 stopped', async () => {
    const { ec2 } = cloud.lab;
    const holder = instances['inst-b'].instanceId;
    const { eniId } = poolEni;
    const members = [instanceId, holder, eniId];
    ec2.createTags(members, { 'berth:ha-group': 'db-a' });
    ec2.createTags([eniId], { 'berth:owner': ec2.arnOf(holder), 'berth:claim': '4:x' });
    cloud.lab.setPolicies(instanceId, memberPolicies());
    ec2.attach({ eniId, instanceId: holder, deviceIndex: 1, networkCardIndex: 0 });
    await ec2.settled();
    try {
      const probe = { port, intervalSeconds: 0.2, timeoutSeconds: 0.2 };
      const daemon = cloud.start({ config: { pool: 'db', role: 'standby', standby: { probe } } });
      const { phase, ready } = await cloud.status(
        'whom',
        ({ message }) =>
          message.startsWith(`standby for ${eniId} (10.0.1.50) held by ${holder}: no answer`) &&
          message.includes('EC2 says running'),
      );
      expect({ phase, ready, attached: attached() }).toEqual({
        phase: 'standby',
        ready: false,
        attached: [],
      });
      ec2.stop(holder);
      await daemon.line('ready', isReady);
      expect(outcome(daemon)).toEqual(oneHeld());
      const { pools } = await cloud.status('ready', (status) => status.ready);
      expect(pools[0]!.eni!.epoch).toBe(5);
    } finally {
      ec2.start(holder);
      ec2.deleteTags(members, [{ key: 'berth:ha-group', value: undefined }]);
    }
  });

  describe('the pool', () => {
    test('has no ENI: says how to make one, and takes it when it comes', async () => {
      cloud.lab.ec2.deleteTags([poolEni.eniId], [{ key: 'berth:pool', value: undefined }]);
      const daemon = cloud.start();
      await cloud.status(
        'no ENI',
        says(/^no ENI carries the tag berth:pool=db: create one, or check the pool's name/),
      );
      cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:pool': 'db' });
      await daemon.line('ready', isReady);
      expect(outcome(daemon)).toEqual(oneHeld());
    });

    test('is taken: says by whom, and takes what gets free', async () => {
      const other = cloud.lab.ec2.arnOf(instances['inst-b'].instanceId);
      cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:owner': other });
      const daemon = cloud.start();
      await cloud.status('whose', ({ phase, message }) => {
        const { instanceId } = instances['inst-b'];
        return phase === 'waiting-for-eni' && message.includes(`${poolEni.eniId} by ${instanceId}`);
      });
      cloud.lab.ec2.deleteTags([poolEni.eniId], [{ key: 'berth:owner', value: other }]);
      await daemon.line('ready', isReady);
      expect(outcome(daemon)).toEqual(oneHeld());
    });

    test('is in another zone: names the zones', async () => {
      cloud.lab.ec2.deleteTags([poolEni.eniId], [{ key: 'berth:pool', value: undefined }]);
      const { subnetId } = subnets.b;
      cloud.lab.ec2.addEni({ subnetId, tags: { 'berth:pool': 'db' } });
      cloud.start();
      const { phase } = await cloud.status(
        'the zones',
        says(/^pool db has ENIs in eu-west-1b only, and this instance is in eu-west-1a/),
      );
      expect(phase).toBe('waiting-for-eni');
      cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:pool': 'db' });
    });

    test('is of no use to a full instance: names the type; ready when there is room', async () => {
      const { subnetId } = subnets.a;
      const own = [1, 2].map((deviceIndex) => {
        const { eniId } = cloud.lab.ec2.addEni({ subnetId });
        return cloud.lab.ec2.attach({ eniId, instanceId, deviceIndex, networkCardIndex: 0 });
      });
      await cloud.lab.ec2.settled();
      const daemon = cloud.start();
      await cloud.status(
        'full',
        says(/t3\.medium holds 3, all of them attached; use a larger instance type or detach one/),
      );
      expect(cloud.lab.ec2.eni(poolEni.eniId)!.tags['berth:owner']).toBeUndefined();
      cloud.lab.ec2.detach(own[1]!.attachmentId);
      await daemon.line('ready', isReady);
      expect(outcome(daemon)).toEqual(oneHeld());
    });
  });

  describe('EC2', () => {
    test('refuses connections: says so, and is ready when it comes', async () => {
      await cloud.gate.close();
      const daemon = cloud.start();
      await cloud.status(
        'unreachable',
        says(/the endpoint cannot be reached .*check DNS, routes and VPC endpoints/),
      );
      await cloud.gate.open();
      await daemon.line('ready', isReady);
      expect(outcome(daemon)).toEqual(oneHeld());
    });

    const faults: readonly (readonly [string, LabFaultRule['fault']])[] = [
      ['loses every first answer', { kind: 'reset-after' }],
      ['answers half of it', { kind: 'truncated' }],
      ['answers HTML', { kind: 'html', status: 503 }],
      ['throttles', { kind: 'error', status: 503, code: 'RequestLimitExceeded' }],
    ];
    test.each(faults)('%s: ready in the end, one ENI held', async (_what, fault) => {
      cloud.lab.ec2.addEni({ subnetId: subnets.a.subnetId, tags: { 'berth:pool': 'db' } });
      for (const action of ['DescribeNetworkInterfaces', 'CreateTags', 'AttachNetworkInterface']) {
        cloud.lab.front.fail({ match: `ec2:${action}`, times: 1, fault });
      }
      const daemon = await cloud.startReady();
      expect(outcome(daemon)).toEqual(oneHeld());
    });

    test('attaches and answers too late: one ENI held', async () => {
      cloud.lab.ec2.addEni({ subnetId: subnets.a.subnetId, tags: { 'berth:pool': 'db' } });
      const fault = { kind: 'slow', ms: 60_000 } as const;
      cloud.lab.front.fail({ match: 'ec2:AttachNetworkInterface', times: 1, fault });
      const daemon = await cloud.startReady();
      expect(outcome(daemon)).toEqual(oneHeld());
    });
  });

  test('two copies start at once, also over the socket of one that was killed: one is ready, the other has claimed nothing', async () => {
    // One for each, were there two.
    cloud.lab.ec2.addEni({ subnetId: subnets.a.subnetId, tags: { 'berth:pool': 'db' } });
    const before = actions().length;
    for (const round of ['first', 'killed']) {
      const copies = [cloud.start(), cloud.start()];
      const ends = await Promise.all(
        copies.map((copy) =>
          copy.line('ready', isReady).then(
            () => 'ready',
            () => copy.ended,
          ),
        ),
      );
      expect({ round, ends: new Set(ends) }).toEqual({ round, ends: new Set(['ready', 1]) });
      const [winner, loser] = ends[0] === 'ready' ? copies : copies.toReversed();
      expect(loser!.stderr()).toMatch(
        /^berth: cannot start: another berth listens on .*status\.sock; stop it first/,
      );
      expect(loser!.lines.filter((line) => line['phase'] !== undefined)).toEqual([]);
      expect((await cloud.status('its status', () => true)).pid).toBe(winner!.pid);
      expect(outcome(winner!)).toEqual(oneHeld());
      winner!.kill('SIGKILL');
      await winner!.ended;
    }
    const claimed = actions()
      .slice(before)
      .filter((action) => !action.startsWith('Describe'));
    expect(claimed).toEqual(['CreateTags', 'AttachNetworkInterface']);
  });

  describe('routing cannot be set: says so before anything is claimed', () => {
    test('without ip', async () => {
      const rights = ['setpriv', '--no-new-privs', 'env', 'PATH=/nowhere'];
      const before = actions().length;
      cloud.start({ rights });
      await cloud.status('no ip', says(/^cannot run "ip": install iproute2$/));
      expect(actions().slice(before)).not.toContain('CreateTags');
    });

    test('without CAP_NET_ADMIN', async () => {
      const before = actions().length;
      cloud.start({ rights: ['setpriv', '--inh-caps=-all', '--bounding-set=-all'] });
      await cloud.status(
        'no rights',
        says(/this process lacks CAP_NET_ADMIN; start it by its systemd unit, or as root/),
      );
      expect(actions().slice(before)).not.toContain('CreateTags');
    });
  });

  describe('once ready', () => {
    test('the ENI is pulled away: not ready, claimed again, and berth wait sees both', async () => {
      const daemon = await cloud.startReady();
      expect((await cloud.command('wait')).stdout).toMatch(/^10\.0\.1\.50 of eni-/);
      // It cannot be taken again at once.
      cloud.lab.ec2.createTags([poolEni.eniId], { 'berth:owner': 'somebody else' });
      cloud.lab.ec2.detach(cloud.held()[0]!.attachment!.attachmentId);
      const lost = await cloud.status('lost', ({ ready }) => !ready);
      expect(lost.readyAt).toBeUndefined();
      const waiting = await cloud.status('waiting', ({ phase }) => phase === 'waiting-for-eni');
      expect(waiting).toMatchObject({ ready: false });
      expect(waiting.pools[0]!.eni).toBeUndefined();
      const late = await cloud.command('wait', '--timeout', '0.1');
      expect(late).toMatchObject({ code: 1 });
      expect(late.stderr).toMatch(/cannot say ready after 0\.1 s: no free ENI in pool db/);
      cloud.lab.ec2.deleteTags([poolEni.eniId], [{ key: 'berth:owner', value: undefined }]);
      const wait = await cloud.command('wait', '--timeout', '15');
      expect(wait.code).toBe(0);
      expect((await cloud.vpc.probe('far', poolEni.privateIpv4, port, 1_000)).ok).toBe(true);
      expect(outcome(daemon)).toEqual(oneHeld());
    });

    test('after ready the metadata service is asked from the claimed address, and answers', async () => {
      const asked = (): unknown => cloud.imds.requests.findLast(({ method }) => method === 'PUT');
      await cloud.startReady();
      await vi.waitFor(
        () => expect(asked()).toMatchObject({ from: poolEni.privateIpv4, status: 200 }),
        { timeout: 5_000 },
      );
      const { message } = await cloud.status('ready', ({ ready }) => ready);
      expect(message).toBe(`${poolEni.privateIpv4} of ${poolEni.eniId} is served on eth1`);
    });

    test('berth status shows what is served', async () => {
      const daemon = await cloud.startReady();
      const { stdout } = await cloud.command('status');
      expect(stdout).toMatch(
        /^state +ready +10\.0\.1\.50 of eni-0db10000000000001 is served on eth1$/m,
      );
      expect(stdout).toMatch(/^ENI +eni-0db10000000000001 +02:db:00:00:00:01 +eth1 +epoch 1$/m);
      expect(stdout).toMatch(/^addresses +10\.0\.1\.50$/m);
      expect(stdout).toMatch(/^routing .*--primary--> main table$/m);
      expect(stdout).toMatch(/\[ 10\.0\.1\.50 +\]--eth1-+> table 20001, via 10\.0\.1\.1$/m);
      expect(stdout).toMatch(new RegExp(`^instance +${instanceId}$`, 'm'));
      expect(stdout).toMatch(new RegExp(`process ${daemon.pid}$`, 'm'));
    });
  });

  test('the disk is full: ready, says so, and logs are shipped', async () => {
    const tiny = join(scratch, 'tiny');
    mkdirSync(tiny, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', tiny]);
    try {
      const { bsize, bfree } = statfsSync(tiny);
      writeFileSync(join(tiny, 'ballast'), Buffer.alloc(bsize * bfree));
      writeFileSync(join(cloud.varOf('inst-a'), 'log', 'app.log'), 'first\n');
      const logs = {
        force_flush_interval: 1,
        logs_collected: {
          files: { collect_list: [{ file_path: '/var/log/app.log', log_group_name: 'disk' }] },
        },
      };
      const daemon = cloud.start({ config: { pool: 'db', logs }, args: ['--state-dir', tiny] });
      await daemon.line('ready', isReady);
      await daemon.line('the disk', (line) =>
        /the disk is full, free some space/.test(line.msg ?? ''),
      );
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
      const events = cloud.lab.logs.events('disk', instanceId);
      expect(events.map((event) => event.message)).toEqual(['first']);
      expect(outcome(daemon)).toEqual(oneHeld());
    } finally {
      execFileSync('umount', ['--lazy', tiny]);
    }
  });

  test('no secret is in any log line, status or state file', async () => {
    const reset = { kind: 'reset-after' } as const;
    const expired = { kind: 'error', status: 400, code: 'ExpiredToken' } as const;
    cloud.lab.front.fail({ match: 'ec2:DescribeNetworkInterfaces', times: 1, fault: reset });
    cloud.lab.front.fail({ match: 'ec2:CreateTags', times: 1, fault: expired });
    const daemon = await cloud.startReady({ args: ['--log-level', 'debug'] });
    const { stdout } = await cloud.command('status', '--json');
    const state = globSync('**/*.json', { cwd: cloud.stateDir }).map((name) =>
      readFileSync(join(cloud.stateDir, name), 'utf8'),
    );
    expect(state.length).toBeGreaterThan(0);
    const { secretAccessKey, sessionToken } = cloud.lab.credentialsFor(instanceId);
    const everything = JSON.stringify([daemon.lines, daemon.stderr(), stdout, state]);
    expect(everything).toContain('ExpiredToken');
    expect(everything).not.toContain(secretAccessKey);
    expect(everything).not.toContain(sessionToken);
    expect(everything).not.toMatch(/AQAEA/);
  });
});
