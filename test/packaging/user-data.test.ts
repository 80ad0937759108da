// The user data of the templates: IMDS hands it out, cloud-init reads it, and berth reads its configuration from it.
import { describe, expect, test, vi } from 'vitest';
import { checkConfig } from '../../src/boot/check-config.ts';
import { parseUserData } from '../../src/boot/user-data.ts';
import { poolUserData, renderedUserData } from '../fixtures/templates.ts';
import {
  crawlByCloudInit,
  hasCloudInit,
  needsCloudInit,
  readByCloudInit,
} from '../lab/cloud-init.ts';
import { createTestWorld, one } from '../lab/test-world.ts';

vi.setConfig({ testTimeout: 120_000 });

const logs = { logs_collected: { journald: { collect_list: [{ log_group_name: '/berth/db' }] } } };
const told = {
  'cloudformation/pool.yaml': { cloudFormation: { stack: 'the-stack', resource: 'Group' } },
  'terraform/user-data.yaml.tftpl': {
    autoScaling: { group: 'berth-db', launchHook: 'berth-ready', abandon: true },
  },
};
const templates = [
  { template: 'cloudformation/pool.yaml', userData: poolUserData() },
  { template: 'terraform/user-data.yaml.tftpl', userData: renderedUserData() },
] as const;

describe.each(templates)('$template', ({ template, userData }) => {
  const config = { pool: 'db', logs, signals: { timeoutSeconds: 540, ...told[template] } };

  test('berth finds a valid configuration in it', async () => {
    expect(await parseUserData(Buffer.from(userData))).toEqual({ kind: 'config', value: config });
    const facts = { identity: undefined, localHostname: undefined, nowMs: 0 };
    expect(checkConfig(config, facts, undefined)).toMatchObject({ ok: true, warnings: [] });
  });

  test.skipIf(!hasCloudInit)(
    `cloud-init gets it from IMDS whole, and reads the same${needsCloudInit}`,
    async () => {
      await using world = await createTestWorld();
      world.lab.imds.change(one, { userData: Buffer.from(userData) });
      const [primary] = world.lab.ec2.enisOf(one);
      const endpoint = await world.lab.imdsFor(one);
      const crawled = await crawlByCloudInit({
        endpoint,
        nics: { [primary!.mac]: 'eth0' },
        prefix: [],
      });
      expect(crawled).toMatchObject({ found: true, warnings: [], userData });
      const read = await readByCloudInit(crawled['userData'] as string);
      expect(read).toMatchObject({ warnings: [], config: { berth: config } });
      expect(Object.keys(read.config)).toEqual(['berth']);
    },
  );
});
