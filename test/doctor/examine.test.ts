// berth doctor against a real IMDS, EC2 and Parameter Store of the lab: what is wrong is named, with what to do.
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { examine } from '../../src/doctor/examine.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { BerthError } from '../../src/errors.ts';
import type { Status } from '../../src/model/status.ts';
import { createPorts, type Ports } from '../../src/system/ports.ts';
import { serveStatus } from '../../src/tell/status-socket.ts';
import { createMemoryLog } from '../fakes/log.ts';
import { logsRoleOf, rolePolicies, rolePoliciesWithout } from '../fixtures/role.ts';
import { statusWith } from '../fixtures/status.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { logsRole } from '../lab/iam-cases.ts';
import { readPolicy } from '../lab/iam.ts';
import type { ImdsServer } from '../lab/imds.ts';
import { createLab, type Lab } from '../lab/lab.ts';

const instanceId = 'i-00000000000000009';
const arn = (id: string): string => `arn:aws:ec2:eu-west-1:111122223333:instance/${id}`;
const subnetId = 'subnet-0000000000000000a';
const farSubnet = 'subnet-0000000000000000b';
const eniId = 'eni-0123456789abcdef0';

type World = AsyncDisposable & {
  readonly lab: Lab;
  readonly folder: ReturnType<typeof temporaryFolder>;
  readonly ports: Ports;
  /** What the ports are replaced by. */
  readonly changes: Partial<Ports>;
  config: unknown;
  /** Default: a file with `config`. */
  configFlag: string | undefined;
  environment: Record<string, string>;
  status: Partial<Status> | undefined;
  examine(signal?: AbortSignal): Promise<readonly Finding[]>;
};

const units = (...names: readonly string[]): Ports['exec'] => ({
  run: async ({ argv }) => ({
    code: 0,
    stdout:
      argv[0] === 'ip'
        ? 'ip utility, iproute2-6.1.0, libbpf 1.1.0\n'
        : `${names.join(' loaded\n')} loaded\n`,
    stderr: '',
  }),
  follow: () => Promise.reject(new Error('not asked')),
});

async function createWorld(launch: Parameters<Lab['ec2']['launch']>[0]): Promise<World> {
  const stack = new AsyncDisposableStack();
  const lab = stack.use(await createLab());
  const folder = stack.use(temporaryFolder());
  const vpcId = 'vpc-0123456789abcdef0';
  for (const [id, zone, cidr] of [
    [subnetId, 'a', '10.0.1.0/24'],
    [farSubnet, 'b', '10.0.2.0/24'],
  ] as const) {
    lab.ec2.addSubnet({
      subnetId: id,
      vpcId,
      availabilityZone: `eu-west-1${zone}`,
      availabilityZoneId: `euw1-az-${zone}`,
      ipv4Cidr: cidr,
    });
  }
  lab.ec2.launch(launch);
  lab.setPolicies(instanceId, rolePolicies());
  const ports = stack.use(createPorts(createMemoryLog()));
  const changes: { -readonly [Name in keyof Ports]?: Ports[Name] } = { exec: units() };
  const world: World = {
    lab,
    folder,
    ports,
    changes,
    config: { pool: 'db' },
    configFlag: 'file',
    environment: { AWS_EC2_METADATA_SERVICE_ENDPOINT: await lab.imdsFor(instanceId) },
    status: { phase: 'ready', ready: true, message: '10.0.1.50 is served', version: '1.2.3' },
    examine: async (signal = new AbortController().signal) => {
      process.env['AWS_ENDPOINT_URL'] = lab.endpoint;
      const { status } = world;
      const current = (): Status => statusWith(status ?? {});
      const board = { current, onChange: () => undefined } as unknown as Parameters<
        typeof serveStatus
      >[2];
      await using _server =
        status === undefined ? undefined : await serveStatus(ports.sockets, folder.path, board);
      return await examine(
        { ...ports, ...changes },
        {
          version: '1.2.3',
          configFlag:
            world.configFlag === 'file'
              ? folder.file('berth.json', JSON.stringify(world.config))
              : world.configFlag,
          stateDir: folder.path,
          runtimeDir: folder.path,
          environment: world.environment,
          limitMs: 13_000,
        },
        signal,
      );
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
  return world;
}

const iam = join(import.meta.dirname, '..', '..', 'packaging', 'iam');
/** Of this account, for all that the tests name. */
const policyNamed = (name: string) =>
  readPolicy(name, {
    PARTITION: 'aws',
    REGION: 'eu-west-1',
    ACCOUNT: name === 'retention' || name === 'logs' ? '999988887777' : '111122223333',
    POOL: 'db',
    HA_GROUP: 'db-a',
    LOG_GROUPS: '*',
    LOGS_ROLE: logsRole,
    STACK: 'web',
    GROUP: 'web-group',
  });

const mine = { instanceId, subnetId, instanceType: 't3.medium' };

/** Files that the package installs are not on this machine. */
const isAbout = (finding: Finding): boolean => !/01-berth|81-berth/.test(finding.message);
const said = (findings: readonly Finding[], result: Finding['result']): readonly string[] =>
  findings
    .filter((finding) => finding.result === result && isAbout(finding))
    .map(({ check, message }) => `${check}: ${message}`);

const logsOf = (path: string): unknown => ({
  pool: 'db',
  logs: { logs_collected: { files: { collect_list: [{ file_path: path }] } } },
});

const servedEni = {
  eniId,
  mac: '02:00:00:00:00:01',
  ipv4: ['10.0.1.50'],
  ipv6: [],
  device: 'eth1',
  table: 20_001,
  routing: { picture: [], commands: [] },
  epoch: 1,
};

const shipping = {
  files: 1,
  eventsSent: 1,
  eventsRefused: 0,
  batchesSent: 1,
  bytesBehind: 0,
  bytesDropped: 0,
  lastError: undefined,
};

const file = {
  path: '/etc/myapp/app.conf',
  content: 'x',
  owner: 'root',
  group: 'root',
  mode: '0644',
};

const running = {
  name: 'parameter /berth/web',
  version: 7,
  lastKnownGood: false,
  rejected: undefined,
  restartNeeded: [],
};

const never = (): Promise<never> => new Promise(() => undefined);

describe('berth doctor', () => {
  let world: World;
  const stack: AsyncDisposable[] = [];
  const create = async (launch: Parameters<typeof createWorld>[0] = mine): Promise<World> => {
    world = await createWorld(launch);
    stack.push(world);
    return world;
  };
  beforeEach(() => void (stack.length = 0));
  afterEach(async () => {
    for (const one of stack.toReversed()) await one[Symbol.asyncDispose]();
  });
  /** Takes connections and never says a word. Returns its port. */
  const listenForEver = async (where: number | string): Promise<number> => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => void sockets.add(socket));
    const listening = Promise.withResolvers<void>();
    if (typeof where === 'number') server.listen(where, '127.0.0.1', listening.resolve);
    else server.listen(where, listening.resolve);
    await listening.promise;
    stack.push({
      [Symbol.asyncDispose]: async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      },
    });
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  const addEni = (more: object = {}): void =>
    void world.lab.ec2.addEni({ eniId, subnetId, tags: { 'berth:pool': 'db' }, ...more });

  test('a healthy instance: no warning, no failure, and nothing is changed', async () => {
    await create();
    addEni();
    const before = world.lab.ec2.enis();
    const findings = await world.examine();
    expect([...said(findings, 'failure'), ...said(findings, 'warning')]).toEqual([]);
    const told = said(findings, 'ok');
    for (const check of [
      'imds',
      'role',
      'clock',
      'config',
      'limits',
      'pool',
      'permissions',
      'daemon',
    ])
      expect(told).toContainEqual(expect.stringMatching(`^${check}: `));
    expect(told).toContainEqual('permissions: ec2:DescribeSubnets, ec2:CreateTags (DryRun)');
    expect(world.lab.ec2.enis()).toEqual(before);
  });

  test('of the ENI that it holds every permission is rehearsed', async () => {
    await create();
    addEni({ tags: { 'berth:pool': 'db', 'berth:owner': arn(instanceId) } });
    world.lab.ec2.attach({ eniId, instanceId, deviceIndex: 1, networkCardIndex: 0 });
    await world.lab.ec2.settled();
    const findings = await world.examine();
    expect(said(findings, 'failure')).toEqual([]);
    expect(said(findings, 'ok')).toContainEqual(
      'permissions: ec2:DescribeSubnets, ec2:CreateTags, ec2:AttachNetworkInterface, ec2:DetachNetworkInterface, ec2:DeleteTags (DryRun)',
    );
    expect(world.lab.ec2.eni(eniId)!.attachment).toBeDefined();
  });

  type Case = readonly [
    trouble: string,
    result: Finding['result'],
    expected: RegExp,
    fix: RegExp | undefined,
    arrange: () => Promise<void> | void,
  ];
  const closed = 'http://127.0.0.1:9';
  const cases: readonly Case[] = [
    [
      'no metadata service',
      'failure',
      /^imds: .*127\.0\.0\.1:9/,
      undefined,
      () => {
        world.environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT: closed };
      },
    ],
    [
      'no role',
      'failure',
      /^role: .*no role: attach an instance profile/,
      undefined,
      () => {
        world.lab.imds.change(instanceId, { roleName: undefined });
      },
    ],
    [
      'Describe is not permitted',
      'failure',
      /^permissions: the role lacks ec2:DescribeInstances$/,
      /base\.json/,
      () => {
        world.lab.setPolicies(instanceId, [
          {
            Version: '2012-10-17',
            Statement: [
              {
                Sid: 'Few',
                Effect: 'Allow',
                Action: ['ec2:DescribeNetworkInterfaces'],
                Resource: '*',
              },
            ],
          },
        ]);
      },
    ],
    [
      'the claim is not permitted',
      'failure',
      /^permissions: the role lacks ec2:CreateTags$/,
      /base\.json/,
      () => {
        world.lab.setPolicies(instanceId, [
          {
            Version: '2012-10-17',
            Statement: [{ Sid: 'Read', Effect: 'Allow', Action: ['ec2:Describe*'], Resource: '*' }],
          },
        ]);
      },
    ],
    [
      'the clock is 20 minutes slow',
      'failure',
      /^clock: 1[12]\d\d s behind EC2: AWS refuses/,
      /chrony/,
      () => {
        const { clock } = world.ports;
        Object.assign(world.changes, {
          clock: { ...clock, nowMs: () => clock.nowMs() - 20 * 60_000 },
        });
      },
    ],
    [
      'the clock is half a minute fast',
      'warning',
      /^clock: (29|3\d) s ahead of EC2$/,
      /chrony/,
      () => {
        const { clock } = world.ports;
        Object.assign(world.changes, { clock: { ...clock, nowMs: () => clock.nowMs() + 30_000 } });
      },
    ],
    [
      'a configuration that is wrong',
      'failure',
      /^config: .*did you mean pool\?/,
      undefined,
      () => {
        world.config = { pooll: 'db' };
      },
    ],
    [
      'a pool without ENIs',
      'failure',
      /^pool: pool other has no ENI in eu-west-1$/,
      /create-tags .*Value=other/,
      () => {
        world.config = { pool: 'other' };
      },
    ],
    [
      'a pool in another zone',
      'failure',
      /^pool: pool far has ENIs in eu-west-1b only, this instance is in eu-west-1a$/,
      /subnet/,
      () => {
        world.lab.ec2.addEni({ subnetId: farSubnet, tags: { 'berth:pool': 'far' } });
        world.config = { pool: 'far' };
      },
    ],
    [
      'a full pool',
      'warning',
      /^pool: pool db: none of 1 ENIs of this zone is free$/,
      /berth pool/,
      () => {
        world.lab.ec2.createTags([eniId], { 'berth:owner': arn('i-00000000000000008') });
      },
    ],
    [
      'a claim of an instance that is gone',
      'warning',
      /bears the name of i-00000000000000008, which is gone/,
      /delete-tags/,
      () => {
        world.lab.ec2.createTags([eniId], { 'berth:owner': arn('i-00000000000000008') });
      },
    ],
    [
      'an ENI that another instance holds without its name',
      'warning',
      /is attached to i-00000000000000007, whose name it does not bear/,
      /detach it/,
      async () => {
        world.lab.ec2.launch({ instanceId: 'i-00000000000000007', subnetId });
        world.lab.ec2.attach({
          eniId,
          instanceId: 'i-00000000000000007',
          deviceIndex: 1,
          networkCardIndex: 0,
        });
        await world.lab.ec2.settled();
      },
    ],
    [
      'no daemon',
      'failure',
      /^daemon: berth does not run$/,
      /enable --now --no-block/,
      () => {
        world.status = undefined;
      },
    ],
    [
      'a daemon that is not ready',
      'failure',
      /^daemon: waiting-for-eni: pool db is empty$/,
      /berth pool/,
      () => {
        world.status = { phase: 'waiting-for-eni', message: 'pool db is empty', version: '1.2.3' };
      },
    ],
    [
      'a daemon of another version',
      'warning',
      /^daemon: version 1\.0\.0 runs, 1\.2\.3 is installed$/,
      /restart berth/,
      () => {
        world.status = { ...world.status, version: '1.0.0' };
      },
    ],
    [
      'a daemon with another configuration',
      'warning',
      /^config: the daemon uses parameter \/berth\/web$/,
      /same --config/,
      () => {
        const config = {
          name: 'parameter /berth/web',
          version: 3,
          lastKnownGood: false,
          rejected: undefined,
          restartNeeded: [],
        };
        world.status = { ...world.status, config };
      },
    ],
    [
      'a stack that nobody knows',
      'failure',
      /^signals: signals\.cloudFormation: nobody is told: set stack and resource, since /,
      /--instance-metadata-tags enabled, or name them/,
      () => {
        world.config = { pool: 'db', signals: { cloudFormation: {} } };
      },
    ],
    [
      'services that are told',
      'ok',
      /^signals: told: stack web\/Fleet, hook up of fleet$/,
      undefined,
      () => {
        const cloudFormation = { stack: 'web', resource: 'Fleet' };
        const autoScaling = { group: 'fleet', launchHook: 'up' };
        world.config = { pool: 'db', signals: { cloudFormation, autoScaling } };
      },
    ],
    [
      'a stack that cannot be told',
      'failure',
      /^signals: cannot tell stack web\/Fleet: SUCCESS/,
      /packaging\/iam\/cloudformation\.json/,
      () => {
        const message = 'cannot tell stack web/Fleet: SUCCESS; trying again';
        const told = { to: 'launch-hook', state: 'told', message: 'hook up' } as const;
        const signals = [told, { to: 'cloudformation', state: 'failing', message }] as const;
        world.status = { ...world.status, signals };
      },
    ],
    [
      'logs that CloudWatch refuses',
      'warning',
      /^logs: CloudWatch refused 3 events/,
      /dead-letters/,
      () => {
        const logs = {
          files: 1,
          eventsSent: 1,
          eventsRefused: 3,
          batchesSent: 1,
          bytesBehind: 0,
          bytesDropped: 0,
          lastError: undefined,
        };
        world.status = { ...world.status, logs };
      },
    ],
    [
      'logs that cannot be sent',
      'warning',
      /^logs: the role lacks logs:PutLogEvents$/,
      /keep the lines/,
      () => {
        const logs = {
          files: 1,
          eventsSent: 1,
          eventsRefused: 0,
          batchesSent: 1,
          bytesBehind: 9,
          bytesDropped: 0,
          lastError: 'the role lacks logs:PutLogEvents',
        };
        world.status = { ...world.status, logs };
      },
    ],
    [
      'a log file that is not there',
      'warning',
      /^logs: no file matches .*nothing\.log yet$/,
      undefined,
      () => {
        world.config = logsOf(join(world.folder.path, 'nothing.log'));
      },
    ],
    [
      'a log file that the sandbox hides',
      'warning',
      /^logs: the sandbox of the unit hides \/root\/app\.log$/,
      /ProtectHome/,
      () => {
        world.config = logsOf('/root/app.log');
      },
    ],
    [
      'a log file that may not be read',
      'failure',
      /^logs: cannot open .*secret\.log/,
      /user berth has to read/,
      () => {
        const path = world.folder.file('secret.log', 'x\n');
        chmodSync(path, 0o000);
        world.config = logsOf(path);
        // Root may read it all the same.
        const { logFiles } = world.ports;
        Object.assign(world.changes, {
          logFiles: {
            ...logFiles,
            open: () => Promise.reject(new Error(`cannot open ${path}: EACCES`)),
          },
        });
      },
    ],
    [
      'a read-only state folder',
      'failure',
      /^disk: .* is on the read-only file system \//,
      /mount something writable/,
      () => {
        changeProc({ read: () => '/dev/root / ext4 ro,relatime 0 0\n' });
      },
    ],
    [
      'a full disk',
      'failure',
      /^disk: the disk of .* is full/,
      /free some space/,
      () => {
        changeProc({
          sizeOf: () =>
            Promise.resolve({
              totalBytes: 1e9,
              freeBytes: 0,
              usedBytes: 1e9,
              inodes: 10,
              inodesFree: 5,
            }),
        });
      },
    ],
    [
      'no inodes',
      'failure',
      /^disk: the disk of .* is full/,
      /free some space/,
      () => {
        changeProc({
          sizeOf: () =>
            Promise.resolve({
              totalBytes: 1e9,
              freeBytes: 1e9,
              usedBytes: 0,
              inodes: 10,
              inodesFree: 0,
            }),
        });
      },
    ],
    [
      'a disk that is nearly full',
      'warning',
      /^disk: 9 MiB free for/,
      /free some space/,
      () => {
        changeProc({
          sizeOf: () =>
            Promise.resolve({
              totalBytes: 1e9,
              freeBytes: 1e7,
              usedBytes: 0,
              inodes: 10,
              inodesFree: 9,
            }),
        });
      },
    ],
    [
      'the CloudWatch agent',
      'warning',
      /^others: amazon-cloudwatch-agent\.service ships the same/,
      /disable --now amazon-cloudwatch-agent/,
      () => {
        Object.assign(world.changes, {
          exec: units('ssh.service', 'amazon-cloudwatch-agent.service'),
        });
      },
    ],
    [
      'nm-cloud-setup',
      'warning',
      /^others: nm-cloud-setup\.timer sets routes/,
      /disable --now nm-cloud-setup/,
      () => {
        Object.assign(world.changes, { exec: units('nm-cloud-setup.timer') });
      },
    ],
    [
      'amazon-ec2-net-utils',
      'warning',
      /^others: policy-routes@ens6\.service is amazon-ec2-net-utils/,
      /systemctl stop policy-routes@ens6/,
      () => {
        Object.assign(world.changes, { exec: units('policy-routes@ens6.service') });
      },
    ],
    [
      'an old iproute2',
      'failure',
      /^versions: .*iproute2 4\.9: too old$/,
      /4\.18/,
      () => {
        const exec = units();
        Object.assign(world.changes, {
          exec: {
            ...exec,
            run: () =>
              Promise.resolve({ code: 0, stdout: 'ip utility, iproute2-4.9.0\n', stderr: '' }),
          },
        });
      },
    ],
    [
      'an ENI that the kernel does not show',
      'failure',
      /^routes: the kernel has no device with the MAC of/,
      /dmesg/,
      () => {
        const eni = servedEni;
        const pool = { pool: 'db', phase: 'ready', ready: true, message: 'served', eni } as const;
        world.status = { ...world.status, pools: [pool] };
        const { devices } = world.ports;
        Object.assign(world.changes, {
          devices: { ...devices, find: () => Promise.resolve(undefined) },
        });
      },
    ],
    [
      'IMDS of version 1',
      'failure',
      /^imds: .*it answers 404, so it knows version 1 only/,
      /http-endpoint enabled/,
      () => imdsIs(({ dials }) => void (dials.mode = 'v1-only')),
    ],
    [
      'IMDS that is off',
      'failure',
      /^imds: .*refuses \(403\).*turn it on \(aws ec2 modify-instance-metadata-options/,
      undefined,
      () => imdsIs(({ dials }) => void (dials.mode = 'disabled')),
    ],
    [
      'IMDS that is late',
      'failure',
      /^imds: .*503, try again later|^imds: no answer within/,
      undefined,
      () => imdsIs(({ dials }) => void (dials.rates.tokenUnavailable = 1)),
    ],
    [
      'an identity that is garbage',
      'failure',
      /^imds: cannot understand dynamic\/instance-identity\/document/,
      undefined,
      () =>
        imdsIs(
          ({ dials }) =>
            void dials.overrides.set('dynamic/instance-identity/document', {
              status: 200,
              body: '<html>',
            }),
        ),
    ],
    [
      'user data that cannot be read',
      'failure',
      /^config: cannot use the configuration from user data/,
      undefined,
      () => {
        world.configFlag = undefined;
        world.lab.imds.change(instanceId, {
          userData: Buffer.from('#cloud-config\nberth: "{"\n'),
        });
      },
    ],
    [
      'user data that is cut',
      'warning',
      /^config: user data is gzip that cannot be unpacked: nothing in it is used/,
      /correct/,
      () => {
        world.configFlag = undefined;
        world.lab.imds.change(instanceId, {
          userData: Buffer.from('1f8b0800000000000003', 'hex'),
          tags: { 'berth:pool': 'db' },
        });
      },
    ],
    [
      'no configuration at all',
      'failure',
      /^config: cannot find a configuration: looked at --config, .*put one of them there/,
      undefined,
      () => {
        world.configFlag = undefined;
      },
    ],
    [
      'no configuration file',
      'failure',
      /^config: cannot find the configuration file \/nowhere\/berth\.json: create it/,
      undefined,
      () => {
        world.configFlag = '/nowhere/berth.json';
      },
    ],
    [
      'no parameter',
      'failure',
      /^config: cannot find the parameter \/berth\/web, .*create it, or correct the name/,
      undefined,
      () => {
        world.configFlag = 'ssm:/berth/web';
      },
    ],
    [
      'a parameter of the wrong type',
      'failure',
      /^config: cannot use the parameter \/berth\/web: it is a StringList; make it a String/,
      undefined,
      () => parameter('pool,db', 'StringList'),
    ],
    [
      'a parameter that is no JSON',
      'failure',
      /^config: cannot use the configuration from parameter \/berth\/web \(version 1\).*line 1/,
      undefined,
      () => parameter('{"pool": db}'),
    ],
    [
      'a parameter whose key the role may not use',
      'failure',
      /^config: .*lacks kms:Decrypt on the key that encrypts it; add it/,
      undefined,
      () => {
        parameter('{"pool": "db"}', 'SecureString');
        world.lab.ssm.dials.mayDecrypt = false;
      },
    ],
    [
      'a parameter that the role may not read',
      'failure',
      /^config: .*the instance role lacks ssm:GetParameter; add it/,
      undefined,
      () => {
        parameter('{"pool": "db"}');
        world.lab.setPolicies(instanceId, rolePoliciesWithout('ssm:GetParameter'));
      },
    ],
    [
      'a reference that stands for nothing',
      'failure',
      /^config: .*there is no parameter \/berth\/name/,
      undefined,
      () => {
        world.config = { pool: '{{ssm:/berth/name}}' };
      },
    ],
    [
      'a key of the agent that berth does not do',
      'warning',
      /^config: logs\.logs_collected\.windows_events: accepted, not done/,
      /^correct it in file /,
      () => {
        world.config = { pool: 'db', logs: { logs_collected: { windows_events: {} } } };
      },
    ],
    [
      'a configuration that was refused',
      'failure',
      /^config: the daemon does not use version 8 of parameter \/berth\/web: pool is missing$/,
      /berth check-config .*berth reload$/,
      () => {
        const rejected = { version: 8, reason: 'pool is missing' };
        world.status = { ...world.status, config: { ...running, rejected } };
      },
    ],
    [
      'a bad configuration beside the last good one',
      'failure',
      /^config: cannot use the configuration from parameter \/berth\/web \(version 1\): unknown key pol:/,
      /berth check-config .*berth reload$/,
      () => {
        parameter('{"pol": "db"}');
        const kept = { parameter: '/berth/web', version: 1, value: '{"pool":"db"}' };
        mkdirSync(join(world.folder.path, instanceId));
        world.folder.file(join(instanceId, 'last-good-config.json'), JSON.stringify(kept));
      },
    ],
    [
      'a configuration that needs a restart',
      'warning',
      /^config: new values that count from the next start on: pools, routing$/,
      /^systemctl restart berth$/,
      () => {
        const restartNeeded = ['pools', 'routing'];
        world.status = { ...world.status, config: { ...running, restartNeeded } };
      },
    ],
    [
      'a newer version of the parameter',
      'warning',
      /^config: the daemon uses version 7 of parameter \/berth\/web, version 1 lies there$/,
      /^berth reload$/,
      () => {
        parameter('{"pool": "db"}');
        world.status = { ...world.status, config: running };
      },
    ],
    [
      'a daemon that started without Parameter Store',
      'warning',
      /^config: the daemon uses the last good copy of parameter \/berth\/web$/,
      /^berth reload$/,
      () => {
        parameter('{"pool": "db"}');
        world.status = { ...world.status, config: { ...running, lastKnownGood: true } };
      },
    ],
    [
      'EC2 that resets the connection',
      'failure',
      /^ec2: cannot call ec2:Describe/,
      /let DNS, the routes/,
      () => world.lab.front.fail({ match: 'ec2:*', times: 99, fault: { kind: 'reset-before' } }),
    ],
    [
      'EC2 that answers HTML',
      'failure',
      /^ec2: .*a page of HTML; is there a proxy in between\?/,
      /let DNS, the routes/,
      () =>
        world.lab.front.fail({ match: 'ec2:*', times: 99, fault: { kind: 'html', status: 200 } }),
    ],
    [
      'EC2 that throttles',
      'failure',
      /^ec2: .*RequestLimitExceeded/,
      /again in a minute/,
      () =>
        world.lab.front.fail({
          match: 'ec2:*',
          times: 99,
          fault: { kind: 'error', status: 503, code: 'RequestLimitExceeded' },
        }),
    ],
    [
      'a clock in 1970',
      'failure',
      /^clock: \d+ s behind EC2: AWS refuses/,
      /chrony/,
      () => {
        const { clock } = world.ports;
        Object.assign(world.changes, {
          clock: { ...clock, nowMs: () => clock.monotonicMs() },
        });
      },
    ],
    [
      'no iproute2',
      'failure',
      /^versions: cannot run "ip": it is not installed$/,
      /install iproute2/,
      () => {
        const exec = units();
        const absent = new BerthError('command-missing', 'cannot run "ip": it is not installed');
        Object.assign(world.changes, {
          exec: { ...exec, run: () => Promise.reject(absent) },
        });
      },
    ],
    [
      'a pool that was given up',
      'failure',
      /^daemon: gave-up: /,
      /systemctl restart berth/,
      () => {
        world.status = { phase: 'gave-up', message: 'pool db stayed empty', version: '1.2.3' };
      },
    ],
    [
      'a log file that is a folder',
      'warning',
      /^logs: no file matches .*app\.log yet$/,
      /ls -l/,
      () => {
        const path = join(world.folder.path, 'app.log');
        mkdirSync(path);
        world.config = logsOf(path);
      },
    ],
    [
      'lines that were let go',
      'warning',
      /^logs: 7 bytes of deleted files were let go$/,
      /backpressure_mode/,
      () => {
        world.status = { ...world.status, logs: { ...shipping, bytesDropped: 7 } };
      },
    ],
    [
      'metrics that were lost',
      'warning',
      /^metrics: 5 documents were lost/,
      /df /,
      () => {
        const metrics = { documents: 9, refused: 0, dropped: 5, lastError: undefined };
        world.status = { ...world.status, metrics };
      },
    ],
    [
      'nobody writes files',
      'failure',
      /^files: nobody listens on .*-files\.sock: no file of the configuration is written$/,
      /^systemctl enable --now berth-files\.socket$/,
      () => {
        world.config = { pool: 'db', files: [file] };
      },
    ],
    [
      'files without a policy',
      'failure',
      /^files: \/etc\/myapp\/app\.conf: there is no \/etc\/berth\/files\.json, which has to allow it: \{"files": \[\{"path":"\/etc\/myapp\/app\.conf","mode":"0644"\}\]\}$/,
      /files\.json/,
      () => {
        world.config = { pool: 'db', files: [file] };
        policyIs(undefined);
      },
    ],
    [
      'a file that the policy does not allow',
      'failure',
      /^files: \/etc\/myapp\/app\.conf: \/etc\/berth\/files\.json does not allow it: add \{"path":"\/etc\/myapp\/app\.conf","mode":"0644"\} to its "files"$/,
      /files\.json/,
      () => {
        world.config = { pool: 'db', files: [file] };
        policyIs('{"files": [{"path": "/etc/other/*"}]}');
      },
    ],
    [
      'a mode that the policy does not allow',
      'failure',
      /^files: .*files\.json allows it with mode 0640 at most, not 0644$/,
      /files\.json/,
      () => {
        world.config = { pool: 'db', files: [file] };
        policyIs('{"files": [{"path": "/etc/myapp/*.conf"}]}');
      },
    ],
    [
      'a program that the policy does not allow',
      'failure',
      /^files: .*files\.json allows it with reload none, not \["systemctl","reload","myapp"\]$/,
      /files\.json/,
      () => {
        const reload = { command: ['systemctl', 'reload', 'myapp'] };
        world.config = { pool: 'db', files: [{ ...file, reload }] };
        policyIs('{"files": [{"path": "/etc/myapp/*.conf", "mode": "0644"}]}');
      },
    ],
    [
      'a policy that others may write',
      'failure',
      /^files: others than root may write \/etc\/berth\/files\.json: chown root .*; chmod go-w /,
      undefined,
      () => {
        world.config = { pool: 'db', files: [file] };
        policyIs('{"files": []}', 0o666);
      },
    ],
    [
      'a policy that is garbage',
      'failure',
      /^files: \/etc\/berth\/files\.json: files is not of the form \{"files": /,
      undefined,
      () => {
        world.config = { pool: 'db', files: [file] };
        policyIs('{"files": "/etc"}');
      },
    ],
    [
      'a file that cannot be written',
      'failure',
      /^files: cannot write \/etc\/myapp\/app\.conf: its check ends with 1$/,
      /journalctl .*berth-files/,
      () => {
        const message = 'cannot write /etc/myapp/app.conf: its check ends with 1';
        world.status = {
          ...world.status,
          files: [{ path: file.path, state: 'failing', message }],
        };
      },
    ],
  ];
  const changeProc = (change: Partial<Ports['proc']>): void =>
    void Object.assign(world.changes, { proc: { ...world.ports.proc, ...change } });

  const imdsIs = async (fault: (server: ImdsServer) => void): Promise<void> =>
    fault(await world.lab.imds.serverFor(instanceId));
  const parameter = (value: string, type: 'String' | 'StringList' | 'SecureString' = 'String') => {
    world.lab.ssm.put({ name: '/berth/web', value, type });
    world.configFlag = 'ssm:/berth/web';
  };
  /** undefined: there is none. */
  const policyIs = (content: string | undefined, mode = 0o644): void => {
    const state = { content: Buffer.from(content ?? ''), uid: 0, gid: 0, mode };
    const folder = {
      read: () => Promise.resolve(content === undefined ? undefined : state),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    Object.assign(world.changes, { trustedFolders: { open: () => Promise.resolve(folder) } });
  };

  test.each(cases)('%s: %s', async (_trouble, result, expected, fix, arrange) => {
    await create();
    addEni();
    await arrange();
    const findings = await world.examine();
    const found = findings.find(
      (finding) =>
        finding.result === result && expected.test(`${finding.check}: ${finding.message}`),
    );
    expect(found ?? findings.filter((one) => one.result !== 'ok')).toMatchObject({ result });
    expect(found!.fix ?? '').toMatch(fix ?? /^/);
    const unfixed = findings.filter((one) => /failure|warning/.test(one.result) && !one.fix);
    expect(unfixed).toEqual([]);
  });

  const peerId = 'i-00000000000000008';
  const holdOwn = async (): Promise<void> => {
    addEni({ tags: { 'berth:pool': 'db', 'berth:owner': arn(instanceId) } });
    world.lab.ec2.attach({ eniId, instanceId, deviceIndex: 1, networkCardIndex: 0 });
    await world.lab.ec2.settled();
    const { attachmentId } = world.lab.ec2.eni(eniId)!.attachment!;
    world.lab.ec2.modifyEni(eniId, { attachmentId, deleteOnTermination: true });
  };
  const holdByPeer = async (): Promise<void> => {
    const haGroup = { 'berth:ha-group': 'db-a' };
    world.lab.ec2.launch({ instanceId: peerId, subnetId, tags: haGroup });
    addEni({ tags: { 'berth:pool': 'db', 'berth:owner': arn(peerId), ...haGroup } });
    world.lab.ec2.attach({ eniId, instanceId: peerId, deviceIndex: 1, networkCardIndex: 0 });
    await world.lab.ec2.settled();
    const probe = { port: 443 };
    world.config = { pool: 'db', role: 'standby', standby: { fence: 'stop', probe } };
  };
  const leaveStale = (): void => {
    addEni({ tags: { 'berth:pool': 'db', 'berth:owner': arn(peerId) } });
    world.config = { pool: 'db', takeOverStale: true };
  };
  const sendAll = (): void => {
    addEni();
    const entry = { file_path: '/var/log/app.log', log_group_name: 'app', retention_in_days: 7 };
    const logs = {
      credentials: { role_arn: logsRole },
      logs_collected: { files: { collect_list: [entry] } },
    };
    const signals = {
      cloudFormation: { stack: 'web', resource: 'Fleet' },
      autoScaling: { group: 'web-group', launchHook: 'up' },
    };
    world.config = { pool: 'db', logs, signals };
  };
  const allow = (...names: readonly string[]): void =>
    world.lab.setPolicies(instanceId, [...rolePolicies(), ...names.map(policyNamed)]);
  const ofPermissions = async (): Promise<readonly Finding[]> =>
    (await world.examine()).filter(({ check }) => check === 'permissions');

  test('each permission of packaging/iam is rehearsed, seen, or said to be untried; nothing is changed', async () => {
    const told: string[] = [];
    const worlds: readonly (() => Promise<void> | void)[] = [
      holdOwn,
      holdByPeer,
      leaveStale,
      sendAll,
    ];
    for (const arrange of worlds) {
      await create();
      await arrange();
      const policies = [policyNamed('logs'), policyNamed('retention')];
      world.lab.sts.putRole({ ...logsRoleOf({ trusted: true }), policies });
      allow('keep', 'standby', 'takeover', 'assume-role');
      const before = world.lab.ec2.enis();
      const findings = await world.examine();
      expect(findings.filter(({ result }) => result === 'failure')).toEqual([]);
      expect(world.lab.ec2.enis()).toEqual(before);
      told.push(...findings.map(({ message }) => message));
    }
    const actions = readdirSync(iam)
      // That of another than an instance.
      .filter((name) => name.endsWith('.json') && name !== 'reaper.json')
      .flatMap((name) => policyNamed(name.replace('.json', '')).Statement)
      .filter(({ Effect }) => Effect === 'Allow')
      .flatMap(({ Action }) => Action)
      // Called for identity and limits, and by the reading of the configuration.
      .filter((action) => !/^ec2:Describe(Inst\w+s|NetworkInterfaces)$|^ssm:/.test(action));
    expect(actions.length).toBeGreaterThan(15);
    expect(actions.filter((action) => !told.some((one) => one.includes(action)))).toEqual([]);
  });

  type Lack = readonly [
    action: string,
    file: string,
    arrange: () => Promise<void> | void,
    more: readonly string[],
  ];
  const lacks: readonly Lack[] = [
    ['ec2:DescribeSubnets', 'base.json', holdOwn, ['keep']],
    ['ec2:AttachNetworkInterface', 'base.json', holdOwn, ['keep']],
    ['ec2:DetachNetworkInterface', 'base.json', holdOwn, ['keep']],
    ['ec2:DeleteTags', 'base.json', holdOwn, ['keep']],
    ['ec2:ModifyNetworkInterfaceAttribute', 'keep.json', holdOwn, []],
    ['ec2:CreateTags', 'takeover.json', leaveStale, []],
    ['ec2:DescribeInstanceStatus', 'standby.json', holdByPeer, []],
    ['ec2:DetachNetworkInterface', 'standby.json', holdByPeer, []],
    ['ec2:StopInstances', 'standby.json', holdByPeer, []],
    ['ec2:CreateTags', 'standby.json', holdByPeer, []],
  ];
  test.each(lacks)('%s of %s is missing', async (action, file, arrange, more) => {
    await create();
    await arrange();
    const policies = file === 'base.json' ? rolePoliciesWithout(action) : rolePolicies();
    world.lab.setPolicies(instanceId, [...policies, ...more.map(policyNamed)]);
    expect(await ofPermissions()).toContainEqual({
      check: 'permissions',
      result: 'failure',
      message: `the role lacks ${action}`,
      fix: `attach packaging/iam/${file} to the role of the instance`,
    });
  });

  test('the role of the logs is not to be had', async () => {
    await create();
    sendAll();
    world.lab.sts.putRole(logsRoleOf({ trusted: true }));
    expect(await ofPermissions()).toContainEqual({
      check: 'permissions',
      result: 'failure',
      message: expect.stringContaining(logsRole),
      fix: expect.stringContaining('packaging/iam/assume-role.json'),
    });
  });

  test('the role of the logs may not look at log groups', async () => {
    await create();
    sendAll();
    world.lab.sts.putRole(logsRoleOf({ trusted: true }));
    allow('assume-role');
    expect(await ofPermissions()).toContainEqual({
      check: 'permissions',
      result: 'failure',
      message: `${logsRole} lacks logs:DescribeLogGroups`,
      fix: `attach packaging/iam/retention.json to ${logsRole}`,
    });
  });

  test('what the daemon has done is no question', async () => {
    await create();
    sendAll();
    world.lab.sts.putRole(logsRoleOf({ trusted: true }));
    allow('assume-role');
    const signals = (['cloudformation', 'launch-hook'] as const).map(
      (to) => ({ to, state: 'told', message: to }) as const,
    );
    world.status = { ...world.status, signals, logs: { ...shipping, eventsSent: 12 } };
    const told = said(await ofPermissions(), 'ok');
    expect(told).toContain('permissions: logs:PutLogEvents (12 events sent)');
    expect(told).toContain('permissions: cloudformation:SignalResource (told)');
    expect(told).toContain('permissions: autoscaling:CompleteLifecycleAction (told)');
  });

  test('IMDSv1, a long hop limit, and no tags', async () => {
    await create({ ...mine, metadata: { tokens: 'optional', hopLimit: 2, tags: 'disabled' } });
    addEni();
    const warnings = (await world.examine())
      .filter(({ result }) => result === 'warning')
      .filter(isAbout);
    expect(warnings.map(({ fix }) => fix)).toEqual([
      expect.stringContaining(`--instance-id ${instanceId} --http-tokens required`),
      expect.stringContaining('--http-put-response-hop-limit 1'),
      expect.stringContaining('--instance-metadata-tags enabled'),
    ]);
  });

  test('no room for another ENI', async () => {
    await create({ ...mine, instanceType: 't3.micro' });
    addEni();
    const other = world.lab.ec2.addEni({ subnetId });
    world.lab.ec2.attach({ eniId: other.eniId, instanceId, deviceIndex: 1, networkCardIndex: 0 });
    await world.lab.ec2.settled();
    expect(said(await world.examine(), 'failure')).toContainEqual(
      "limits: 2 of 2 ENIs that t3.micro may have: no room for the pool's",
    );
    // The one that the daemon serves has its room.
    const pool = { pool: 'db', phase: 'ready', ready: true, message: 'served' } as const;
    world.status = { ...world.status, pools: [{ ...pool, eni: servedEni }] };
    expect(said(await world.examine(), 'ok')).toContainEqual(
      'limits: 2 of 2 ENIs that t3.micro may have',
    );
  });

  test('everything hangs: it ends in time, and says what does not answer', async () => {
    await create();
    const port = await listenForEver(0);
    // A status socket that never answers, and children that never end.
    world.status = undefined;
    await listenForEver(join(world.folder.path, 'status.sock'));
    Object.assign(world.changes, {
      exec: { run: never, follow: never },
      proc: { ...world.ports.proc, sizeOf: never },
    });
    let waitedMs = 0;
    const { clock } = world.ports;
    // Each deadline counts as what it is, and is over at once.
    Object.assign(world.changes, {
      clock: {
        ...clock,
        deadline: (ms: number, parent: AbortSignal) => {
          waitedMs = Math.max(waitedMs, ms);
          return clock.deadline(ms / 20, parent);
        },
      },
    });
    world.environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${port}` };
    writeFileSync(join(world.folder.path, 'berth.json'), '{}');
    const findings = await world.examine();
    const failures = said(findings, 'failure');
    for (const check of ['imds', 'daemon', 'disk', 'others', 'versions']) {
      expect(failures).toContainEqual(expect.stringMatching(`^${check}: no answer within \\d s$`));
    }
    expect(waitedMs).toBeLessThanOrEqual(5_000);
  });
});
