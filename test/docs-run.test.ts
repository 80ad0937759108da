// The examples of the pages: each configuration is run by the real daemon in the cloud that it speaks of, until it is
// ready; each line that asks berth is run beside it. Units, user data and what bakes have tests of their own.
import { execFile } from 'node:child_process';
import { chmodSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../src/model/status.ts';
import {
  createDaemonCloud,
  instance,
  instanceId,
  type DaemonCloud,
} from './fixtures/daemon-cloud.ts';
import { logsRoleOf } from './fixtures/role.ts';
import { createWriterHost, noWriter } from './fixtures/writer-host.ts';
import { createAwsClis, hasAwsCli, needsAwsCli, printed } from './lab/awscli.ts';
import { inNamespaces, needsNamespaces, scratch } from './lab/environment.ts';
import { until } from './lab/progress.ts';
import { poolEni, subnets } from './lab/small-cloud.ts';

/** Other files may have the VPC for a while. */
const vpcWithinMs = 400_000;
const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');
const blocks = (page: string, language: string): readonly string[] =>
  [...textOf(page).matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, block]) => block!,
  );

type Example = {
  readonly pool?: string;
  readonly pools?: readonly { readonly name: string; readonly pin?: object }[];
  readonly hooks?: object;
  readonly files?: readonly object[];
};

const pages = ['README.md', ...globSync('docs/*.md', { cwd: root }).toSorted()];
/** Files need a writer. */
const filesPage = 'docs/files.md';
const examples = pages.flatMap((page) =>
  blocks(page, 'json')
    .filter((block) => page !== filesPage && /"(pools?|logs|metrics|agent)"/.test(block))
    .map((block) => [page, block.replaceAll(/\s+/g, ' ').trim()] as const),
);
/** `berth bake` is for a machine that becomes an image: test/packaging. */
const questions = pages
  .filter((page) => page.startsWith('docs/'))
  .flatMap((page) =>
    blocks(page, 'sh')
      .flatMap((block) => block.split('\n'))
      .map((line) => line.trim())
      .filter((line) => /^(berth (?!bake)|curl )/.test(line))
      .map((line) => [page, line] as const),
  );

let cloud: DaemonCloud;

const programs = () => join(cloud.varOf(instance), 'log', 'bin');
const ran = (): readonly string[] => {
  try {
    return readFileSync(join(cloud.varOf(instance), 'log', 'ran'), 'utf8')
      .split('\n')
      .slice(0, -1);
  } catch {
    return [];
  }
};

const isOver = ({ ready, phase }: Status): boolean => ready || phase === 'failed';

/** What the examples take for granted: pools, tags, parameters, programs. */
function furnish(example: Example): void {
  const { lab } = cloud;
  const tags = {
    Role: 'web',
    ordinal: '2',
    'aws:autoscaling:groupName': 'web-fleet',
    'aws:cloudformation:stack-name': 'web',
    'aws:cloudformation:logical-id': 'Fleet',
  };
  lab.imds.change(instanceId, { tags });
  lab.ec2.createTags([instanceId, poolEni.eniId], { 'berth:ha-group': 'ha', ordinal: '2' });
  lab.setPolicies(instanceId, [
    {
      Version: '2012-10-17',
      Statement: [{ Sid: 'All', Effect: 'Allow', Action: '*', Resource: '*' }],
    },
  ]);
  const names = example.pools?.map(({ name }) => name) ?? [example.pool ?? 'db'];
  for (const [i, name] of names.entries()) {
    const pool = name.replace('{{tag:Role}}', 'web').replace(/\{\{imds:.*\}\}/, 'eu-west-1a');
    if (pool === 'db') continue;
    lab.ec2.addEni({
      subnetId: subnets.a.subnetId,
      privateIpv4: `10.0.1.7${i}`,
      ...(pool === 'licence' ? { mac: '02:11:22:33:44:55' } : {}),
      tags: { 'berth:pool': pool, 'berth:ha-group': 'ha', ordinal: '2' },
    });
  }
  lab.ssm.put({ name: '/berth/topic', value: 'news' });
  lab.ssm.label('/berth/topic', 'stable');
  lab.ssm.put({ name: '/berth/token', value: 'a-token-of-the-lab', type: 'SecureString' });
  const secret = { value: 'a-password-of-the-lab', type: 'SecureString' } as const;
  lab.ssm.reserve({ name: '/aws/reference/secretsmanager/prod/db', ...secret });
  lab.stacks.create('web', { resource: 'Fleet', count: 1 });
  const hook = { heartbeatTimeoutMs: 300_000 };
  lab.groups.put({
    name: 'web-fleet',
    tags: {},
    hooks: {
      'berth-launch': { on: 'launch', ...hook },
      'berth-terminate': { on: 'terminate', ...hook },
    },
  });
  lab.groups.move('web-fleet', instanceId, 'InService');
  mkdirSync(programs(), { recursive: true });
  for (const name of ['announce', 'drain']) {
    const path = join(programs(), name);
    writeFileSync(path, '#!/bin/sh\necho "$0 $*" >> /var/log/ran\n');
    chmodSync(path, 0o755);
  }
}

describe.skipIf(!inNamespaces)(`the examples${needsNamespaces}`, () => {
  beforeAll(async () => {
    cloud = await createDaemonCloud();
    cloud.lab.sts.putRole(logsRoleOf({ trusted: true }));
  }, vpcWithinMs);
  afterEach(async () => {
    await cloud.reset();
    cloud.lab.groups.forget(instanceId);
  });
  afterAll(() => cloud[Symbol.asyncDispose]());

  test.each(examples)('%s: %s', async (_page, text) => {
    furnish(JSON.parse(text) as Example);
    // The host of this test has its own programs.
    const config = JSON.parse(text.replaceAll('/usr/local/bin/', '/var/log/bin/')) as Example;
    const daemon = cloud.start({ config });
    const status = await cloud.status('ready, or failed', isOver);
    expect(`${status.phase}: ${status.message}`).toMatch(/^ready: /);
    expect(status.config?.rejected).toBeUndefined();
    expect(status.pools.map(({ ready }) => ready)).not.toContain(false);
    expect(status.signals.map(({ state }) => state)).not.toContain('failing');
    if (text.includes('onReady')) await until('the hook', 10_000, () => ran()[0]);
    const bad = daemon.lines.filter(({ level }) => level !== 'info' && level !== 'debug');
    expect(bad).toEqual([]);
  });

  test.each(questions)('%s: %s', async (_page, line) => {
    cloud.lab.imds.change(instanceId, { tags: { 'berth:pool': 'db' } });
    await cloud.startReady({ config: { pool: 'db', monitoring: {} } });
    // The file of the agent is the user's.
    const own = join(scratch, 'daemon-cloud.json');
    const [program = '', ...args] = line
      .replace(/\s+#.*$/, '')
      .replace(/\/opt\/aws\/\S+/, own)
      .split(' ');
    const { prefix } = cloud.inside(instance);
    const [command = '', ...rest] = [...prefix, program, ...args];
    const { code, stdout } =
      program === 'berth'
        ? await cloud.command(...args)
        : await run(command, rest).then((ran) => ({ code: 0, ...ran }));
    expect(code).toBe(0);
    expect(stdout).not.toBe('');
  });

  test.skipIf(!hasAwsCli)(
    `docs/quick-start.md: an ENI that is tagged as it says is claimed${needsAwsCli}`,
    async () => {
      const [line = ''] = blocks('docs/quick-start.md', 'sh').flatMap((block) =>
        block.split('\n').filter((one) => one.startsWith('aws ec2 create-tags ')),
      );
      const eniId = line.split(' ').find((word) => word.startsWith('eni-'))!;
      const { lab } = cloud;
      lab.ec2.addEni({ eniId, subnetId: subnets.a.subnetId, privateIpv4: '10.0.1.90' });
      const poolTag = { key: 'berth:pool', value: undefined };
      lab.ec2.deleteTags([poolEni.eniId], [poolTag]);
      await using clis = await createAwsClis(lab);
      await printed(clis.operator`${line.split(' ').slice(1)}`);
      lab.imds.change(instanceId, { tags: { 'berth:pool': 'db' } });
      await cloud.startReady({ config: undefined });
      expect(cloud.held().map((eni) => eni.eniId)).toEqual([eniId]);
      lab.ec2.createTags([poolEni.eniId], { 'berth:pool': 'db' });
    },
  );

  test.skipIf(noWriter !== '')(
    `${filesPage}: the policy allows the configuration${noWriter}`,
    async () => {
      await using host = createWriterHost();
      const program = (name: string): string => {
        const path = host.at(name);
        writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> ${host.at('ran')}\n`, { mode: 0o755 });
        return path;
      };
      // The host of this test has its own folder, programs and groups.
      const here = (text: string): string =>
        text
          .replaceAll('/etc/myapp/', host.at('app/'))
          .replaceAll('/usr/bin/myapp', program('myapp'))
          .replaceAll('"systemctl"', JSON.stringify(program('systemctl')))
          .replaceAll('"group": "myapp"', '"group": "daemon"');
      host.allow(JSON.parse(here(blocks(filesPage, 'text')[0]!)));
      await host.listen(join(scratch, 'berth-files.sock'));
      cloud.lab.ssm.put({ name: '/berth/myapp/port', value: '8443' });
      const password = { value: 'hunter22', type: 'SecureString' } as const;
      cloud.lab.ssm.put({ name: '/berth/myapp/password', ...password });
      await cloud.startReady({
        config: JSON.parse(here(blocks(filesPage, 'json')[0]!)) as Example,
      });
      await cloud.status('ready, files and all', ({ ready }) => ready);
      expect(readFileSync(host.at('app/myapp.conf'), 'utf8')).toBe(
        'listen 8443\nzone eu-west-1a\npassword hunter22\n',
      );
      expect(readFileSync(host.at('ran'), 'utf8').split('\n')).toEqual([
        expect.stringMatching(/^myapp --check .*\.berth-new$/),
        'systemctl try-reload-or-restart myapp',
        '',
      ]);
    },
  );
});
