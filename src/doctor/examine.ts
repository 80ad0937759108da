// Examines this instance: every check side by side, each within its time, so that the whole ends though everything hangs.
import { createRoleCredentials } from '../boot/credentials.ts';
import { readIdentity } from '../boot/identity.ts';
import { imdsEndpoints } from '../boot/imds-endpoint.ts';
import { createImds, imdsDefaults } from '../boot/imds.ts';
import { loadConfig } from '../boot/load-config.ts';
import { messageOf } from '../errors.ts';
import type { Config, LoadedConfig, Status } from '../model.ts';
import type { Ports } from '../system/ports.ts';
import { checkFiles } from './file-checks.ts';
import { reporter, type Finding } from './finding.ts';
import { fixesOf, saysWhatToDo, wayTo, type Check } from './fixes.ts';
import {
  checkDisk,
  checkLogFiles,
  checkOthers,
  checkRoutes,
  checkVersions,
  daemonFindings,
  readDaemon,
} from './host-checks.ts';
import { checkInstance, checkPool, checkRole, type InstanceInput } from './instance-checks.ts';

export type ExamineInput = {
  readonly version: string;
  readonly configFlag: string | undefined;
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** All of it ends by then. */
  readonly limitMs: number;
};

/** One after the other at most: who we are, then the configuration, then EC2; together less than 15 s. */
const identityMs = 3_000;
const configMs = 4_000;
const checkMs = 5_000;
const imdsPatienceMs = 1_500;

/** In the order of a boot. Throws the signal's reason, and `usage`. */
export async function examine(
  ports: Ports,
  input: ExamineInput,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const fixes = fixesOf(input);
  const endMs = ports.clock.monotonicMs() + input.limitMs;
  /** What a check throws is its finding. */
  const within = async (
    check: Check,
    wantedMs: number,
    work: (signal: AbortSignal) => Promise<readonly Finding[]>,
  ): Promise<readonly Finding[]> => {
    const ms = Math.max(0, Math.min(wantedMs, endMs - ports.clock.monotonicMs()));
    using deadline = ports.clock.deadline(ms, signal);
    try {
      return await unlessAborted(work(deadline.signal), deadline.signal);
    } catch (error) {
      signal.throwIfAborted();
      const why = `no answer within ${Math.ceil(ms / 1000)} s`;
      return [
        deadline.expired
          ? reporter(check)('failure', why, fixes[check])
          : reporter(check)(
              'failure',
              messageOf(error),
              saysWhatToDo(error) ? undefined : fixes[check],
            ),
      ];
    }
  };

  let status: Status | undefined;
  const daemon = within('daemon', identityMs, async (signal) => {
    status = await readDaemon(ports, input.runtimeDir, signal);
    return daemonFindings(status, input.version);
  });
  const host = Promise.all([
    within('disk', checkMs, () => checkDisk(ports, input.stateDir)),
    within('others', checkMs, (signal) => checkOthers(ports, signal)),
    within('versions', checkMs, (signal) => checkVersions(ports, input.version, signal)),
  ]);

  const endpoints = imdsEndpoints(input.environment);
  const imds = createImds(ports, { ...imdsDefaults, endpoints, patienceMs: imdsPatienceMs });
  let instance: InstanceInput | undefined;
  const who = await within('imds', identityMs, async (signal) => {
    const identity = await readIdentity(ports, imds, signal);
    const credentials = createRoleCredentials(ports, imds, signal);
    instance = { identity, access: { region: identity.region, credentials } };
    const { instanceId, instanceType, availabilityZone } = identity;
    return [
      reporter('imds')('ok', `IMDSv2: ${instanceId}, ${instanceType} in ${availabilityZone}`),
    ];
  });
  if (instance === undefined) return [...who, ...(await daemon), ...(await host).flat()];

  const known = instance;
  let loaded: LoadedConfig | undefined;
  const [role, config] = await Promise.all([
    within('role', configMs, () => checkRole(known)),
    within('config', configMs, async (signal) => {
      const { configFlag, stateDir } = input;
      const { identity, access } = known;
      const deps = { ...ports, files: readOnly(ports) };
      loaded = await loadConfig(deps, { identity, imds, configFlag, stateDir, access }, signal);
      return configFindings(loaded);
    }),
  ]);
  const told = await daemon;
  const clocks: Finding[] = [];
  const hasRole = role.every(({ result }) => result === 'ok');
  const { pools = [], logs, files = [] } = loaded?.config ?? {};
  const { runtimeDir } = input;
  const [ofEc2, ofPools, routes, logFiles, kept] = await Promise.all([
    hasRole
      ? within('ec2', checkMs, (signal) =>
          checkInstance(ports, known, (finding) => clocks.push(finding), signal),
        )
      : [],
    Promise.all(
      hasRole
        ? pools.map((pool) =>
            within('pool', checkMs, (signal) => checkPool(ports, { ...known, pool }, signal)),
          )
        : [],
    ),
    loaded === undefined || status === undefined || !hasRole
      ? []
      : within('routes', checkMs, (signal) =>
          checkRoutes(ports, { ...known, config: loaded!.config, status: status! }, signal),
        ),
    within('logs', checkMs, () => checkLogFiles(ports, logs?.sources ?? [])),
    within('files', checkMs, () => checkFiles(ports, { runtimeDir, files })),
  ]);
  return [
    ...who,
    ...role,
    ...clocks,
    ...config,
    ...otherConfig(loaded, status),
    ...ofEc2,
    ...ofPools.flat(),
    ...told,
    ...routes,
    ...logFiles,
    ...kept,
    ...(await host).flat(),
  ];
}

function configFindings({ config, source }: LoadedConfig): readonly Finding[] {
  const report = reporter('config');
  const version = source.version === undefined ? '' : ` version ${source.version}`;
  if (source.lastKnownGood) {
    const why = `the last good copy of ${source.name}${version}: Parameter Store does not answer`;
    return [report('warning', why, wayTo('ssm'))];
  }
  const none = reporter('pool')('ok', 'none is configured: this instance claims nothing');
  return [
    report('ok', `${source.name}${version}`),
    ...(config.pools.length > 0 ? [] : [none]),
    ...signalFindings(config.signals),
  ];
}

function signalFindings(signals: Config['signals']): readonly Finding[] {
  if (signals === undefined) return [];
  const report = reporter('signals');
  const { stack, hooks, problems } = signals;
  const { group, launch, terminate } = hooks ?? {};
  const told = [
    ...(stack === undefined ? [] : [`stack ${stack.stack}/${stack.resource}`]),
    ...[launch, terminate].flatMap((hook) =>
      hook === undefined ? [] : `hook ${hook} of ${group}`,
    ),
  ];
  const fix = 'allow tags in instance metadata, or name them in the configuration';
  return [
    ...(told.length === 0 ? [] : [report('ok', `told: ${told.join(', ')}`)]),
    ...problems.map(({ message }) => report('failure', message, fix)),
  ];
}

/** The unit may have a --config that whoever examines did not give. */
function otherConfig(
  loaded: LoadedConfig | undefined,
  status: Status | undefined,
): readonly Finding[] {
  const used = status?.config?.name;
  if (loaded === undefined || used === undefined || used === loaded.source.name) return [];
  const why = `the daemon uses ${used}`;
  return [reporter('config')('warning', why, 'give doctor the same --config, or restart berth')];
}

function readOnly({ files }: Ports): Ports['files'] {
  return { ...files, writeAtomic: async () => undefined, remove: async () => undefined };
}

/** Also where the work does not hear the signal: a file server that hangs. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
