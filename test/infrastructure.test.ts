// packaging/cloudformation/pool.yaml and packaging/terraform in the VPC of the lab: the real daemon with nothing but what
// the template gives an instance, its user data, its role and its tags, and an ENI as the template makes it.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createDaemonCloud,
  instanceId,
  isReady,
  ownArn,
  type DaemonCloud,
} from './fixtures/daemon-cloud.ts';
import { poolUserData, renderedUserData, templateRoles } from './fixtures/templates.ts';
import { inNamespaces, needsNamespaces } from './lab/environment.ts';
import { until } from './lab/progress.ts';
import { poolEni } from './lab/small-cloud.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;

const roles = templateRoles();

describe.skipIf(!inNamespaces)(`an instance of the templates${needsNamespaces}`, () => {
  let cloud: DaemonCloud;
  beforeAll(async () => {
    cloud = await createDaemonCloud();
  }, vpcWithinMs);
  afterEach(async () => {
    cloud.lab.imds.change(instanceId, { userData: undefined });
    await cloud.reset();
    cloud.lab.groups.forget(instanceId);
  });
  afterAll(() => cloud[Symbol.asyncDispose]());

  const boot = (userData: string) => {
    cloud.lab.imds.change(instanceId, { userData: Buffer.from(userData) });
    return cloud.start({ config: undefined });
  };
  const calls = (since: number) =>
    cloud.lab.front.calls.slice(since).filter((call) => call.instanceId === instanceId);

  test('pool.yaml: claims, serves, tells the stack, and gives back what it claimed', async () => {
    const since = cloud.lab.front.calls.length;
    cloud.lab.setPolicies(instanceId, roles.pool);
    cloud.lab.stacks.create('the-stack', { resource: 'Group', count: 1 });
    const daemon = boot(poolUserData());
    await daemon.line('ready', isReady);
    await until(
      'the stack stands',
      60_000,
      () => cloud.lab.stacks.stack('the-stack')!.status === 'CREATE_COMPLETE' || undefined,
    );
    expect(cloud.held()).toMatchObject([
      { eniId: poolEni.eniId, tags: { 'berth:pool': 'db', 'berth:owner': ownArn } },
    ]);
    const status = await cloud.status('its source', ({ config }) => config !== undefined);
    expect(JSON.stringify(status.config)).toContain('user data');
    expect(await cloud.command('release')).toMatchObject({ code: 0, stderr: '' });
    expect(cloud.held()).toEqual([]);
    const made = calls(since);
    expect(made.filter(({ code }) => code !== undefined)).toEqual([]);
    // Its configuration is in the user data: the role cannot read parameters.
    expect(made.map(({ service }) => service)).not.toContain('ssm');
    expect(made.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['CreateTags', 'AttachNetworkInterface', 'DeleteTags']),
    );
  });

  test('terraform/: serves, and is in service then', async () => {
    const since = cloud.lab.front.calls.length;
    cloud.lab.setPolicies(instanceId, roles.terraform);
    cloud.lab.groups.put({
      name: 'berth-db',
      tags: { 'berth:pool': 'db' },
      hooks: { 'berth-ready': { on: 'launch', heartbeatTimeoutMs: 600_000 } },
    });
    cloud.lab.groups.move('berth-db', instanceId, 'InService');
    const daemon = boot(renderedUserData());
    await daemon.line('ready', isReady);
    await until(
      'the hook goes on',
      60_000,
      () => cloud.lab.groups.events.some(({ what }) => what === 'CONTINUE') || undefined,
    );
    expect(calls(since).filter(({ code }) => code !== undefined)).toEqual([]);
  });
});
