// The local AWS as one thing: EC2, Parameter Store, CloudWatch Logs, STS, CloudFormation, Auto Scaling and IMDS over
// HTTP, with IAM and keys.
import { systemClock, type Clock } from '../../src/system/clock.ts';
import type { RoleCredentials } from '../../src/model/instance.ts';
import { createSeededRandom } from '../fakes/random.ts';
import type { Actuator } from './actuator.ts';
import { drawDials } from './dials.ts';
import { createEc2Model, type Ec2Model } from './ec2-model.ts';
import { createEc2Service } from './ec2.ts';
import type { Ec2Dials } from './ec2-world.ts';
import type { Latency } from './front.ts';
import type { Policy } from './iam-evaluate.ts';
import { createIam, policiesOfRole, readPolicy } from './iam.ts';
import { createJudgedFront, type JudgedFront } from './judged-front.ts';
import { throttleJson } from './json-buckets.ts';
import { createGroupsService, type LabGroups } from './groups.ts';
import { createKeys, type Keys } from './keys.ts';
import { createLabImds, type LabImds } from './lab-imds.ts';
import { createLogsService, type LabLogs } from './logs.ts';
import { startReaper } from './reaper.ts';
import { createStacksService, type LabStacks } from './stacks.ts';
import { createSsmService, type LabSsm } from './ssm.ts';
import { createStsService, type LabSts } from './sts.ts';

export type LabOptions = {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
  readonly clock?: Clock;
  /** Requests that were signed further off are refused. Default: AWS's 15 min, where the lab has the time of the system. */
  readonly maxSkewMs?: number;
  /** Of ids, MACs and keys. */
  readonly seed?: number;
  readonly actuator?: Actuator;
  readonly dials?: Partial<Ec2Dials>;
  /** A seed that all dials are drawn from, but for those of `dials`. Default: no faults, and nothing takes time. */
  readonly swarm?: number;
  readonly latency?: Partial<Latency>;
  /** Delete the claims of terminated instances. */
  readonly reaper?: boolean;
  /** The pool that the role of an instance without the tag `berth:pool` is made for. Default: db. */
  readonly pool?: string;
  /** All roles have `takeover.json` too. */
  readonly takeover?: boolean;
};

export type Lab = AsyncDisposable & {
  /** For AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  readonly ec2: Ec2Model;
  readonly ssm: LabSsm;
  readonly logs: LabLogs;
  readonly sts: LabSts;
  readonly stacks: LabStacks;
  readonly groups: LabGroups;
  readonly imds: LabImds;
  readonly front: JudgedFront;
  /** Holds every call and every answer against the API models. */
  readonly judge: JudgedFront['judge'];
  /** May do everything. */
  readonly operator: Keys['operator'];
  /** The lifetime of the instances' credentials. */
  readonly keyDials: Keys['dials'];
  /** As IMDS gives them: may do what the role's policies allow. */
  readonly credentialsFor: (instanceId: string) => RoleCredentials;
  /** Of the role of this instance from now on, in place of the shipped ones. */
  setPolicies(instanceId: string, policies: readonly Policy[]): void;
  /** Endpoint of an IMDS that belongs to this instance, for AWS_EC2_METADATA_SERVICE_ENDPOINT. */
  imdsFor(instanceId: string): Promise<string>;
  /** Endpoint of one IMDS for all, which knows an instance by its source address. */
  imdsBySource(listen: { readonly host: string; readonly port: number }): Promise<string>;
};

const place = { partition: 'aws', region: 'eu-west-1', accountId: '111122223333' };
const awsMaxSkewMs = 900_000;

export async function createLab(options: LabOptions = {}): Promise<Lab> {
  const clock = options.clock ?? systemClock;
  const host = options.host ?? '127.0.0.1';
  // Clients sign with the time of the system.
  const maxSkewMs = options.maxSkewMs ?? (clock === systemClock ? awsMaxSkewMs : undefined);
  const random = createSeededRandom(options.seed ?? 1);
  const drawn = options.swarm === undefined ? undefined : drawDials(options.swarm);
  await using undo = new AsyncDisposableStack();

  const ec2 = undo.use(
    createEc2Model({
      ...place,
      clock,
      random,
      actuator: options.actuator,
      dials: { ...drawn?.ec2, ...options.dials },
    }),
  );
  const keys = createKeys(clock, random, (instanceId) => ec2.arnOf(instanceId));
  const ssm = createSsmService({ ...place, clock });
  const logs = createLogsService({
    clock,
    arnPrefix: `arn:${place.partition}:logs:${place.region}:${place.accountId}:log-group:`,
  });

  const policies = new Map<string, readonly Policy[]>();
  const shipped = new Map<string, readonly Policy[]>();
  const shippedFor = (instanceId: string): readonly Policy[] => {
    const tags = ec2.instance(instanceId)?.tags ?? {};
    const pool = tags['berth:pool'] ?? options.pool ?? 'db';
    const haGroup = tags['berth:ha-group'] ?? '';
    const key = JSON.stringify([pool, haGroup]);
    const known = shipped.get(key);
    if (known !== undefined) return known;
    const words = {
      PARTITION: place.partition,
      REGION: place.region,
      ACCOUNT: place.accountId,
      POOL: pool,
      HA_GROUP: haGroup,
      LOG_GROUPS: '*',
    };
    const names = [...policiesOfRole(tags), ...(options.takeover === true ? ['takeover'] : [])];
    const read = names.map((name) => readPolicy(name, words));
    shipped.set(key, read);
    return read;
  };
  const iam = createIam({
    ...place,
    policiesOf: ({ instanceId, session }) => {
      if (session !== undefined) return sts.policiesOf(session.roleArn);
      if (instanceId === undefined) return undefined;
      return policies.get(instanceId) ?? shippedFor(instanceId);
    },
  });
  const sts = createStsService({ ...place, clock, iam, assume: keys.assume });
  const stacks = createStacksService({ ...place, iam });
  const groups = createGroupsService({
    ...place,
    clock,
    iam,
    setTarget: (instanceId, targetLifecycleState) =>
      imds.change(instanceId, { targetLifecycleState }),
  });

  const scale = (): number => ec2.dials.bucketScale;
  const front = undo.use(
    await createJudgedFront({
      host,
      port: options.port ?? 0,
      services: {
        ec2: createEc2Service(ec2, iam.authorizeEc2),
        ssm: throttleJson(ssm, clock, scale),
        logs: throttleJson(logs, clock, scale),
        sts,
        cloudformation: stacks,
        autoscaling: groups,
      },
      identify: keys.identify,
      authorize: (service, request) => {
        if (service === 'ssm' || service === 'logs') iam.authorizeJson(service, request);
      },
      clock,
      ...(maxSkewMs === undefined ? {} : { maxSkewMs }),
    }),
  );
  Object.assign(front.latency, options.latency);
  const { endpoint } = front;
  const { credentialsFor, operator } = keys;
  const imds = undo.use(createLabImds(ec2, clock, host, credentialsFor, options.swarm));
  Object.assign(imds.lags, drawn?.imdsLags);
  Object.assign(imds.rates, drawn?.imdsRates);
  if (options.reaper === true) {
    undo.use(startReaper(ec2, { endpoint, region: place.region, credentials: operator }));
  }

  const owned = undo.move();
  return {
    endpoint,
    region: place.region,
    accountId: place.accountId,
    ec2,
    ssm,
    logs,
    sts,
    stacks,
    groups,
    imds,
    front,
    judge: front.judge,
    operator,
    keyDials: keys.dials,
    credentialsFor,
    setPolicies: (instanceId, own) => void policies.set(instanceId, own),
    imdsFor: async (instanceId) => (await imds.serverFor(instanceId)).endpoint,
    imdsBySource: async (listen) => (await imds.serverBySource(listen)).endpoint,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
