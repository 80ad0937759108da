// Examines this instance: every check side by side, each within its time, so that the whole ends though everything hangs.
import { createRoleCredentials } from '../boot/credentials.ts';
import { readIdentity } from '../boot/identity.ts';
import { imdsEndpoints } from '../boot/imds-endpoint.ts';
import { createImds, imdsDefaults } from '../boot/imds.ts';
import { loadConfig } from '../boot/load-config.ts';
import { messageOf } from '../errors.ts';
import { createLog } from '../log.ts';
import type { LoadedConfig } from '../model/config.ts';
import type { Status } from '../model/status.ts';
import type { Ports } from '../system/ports.ts';
import { configFindings, runningConfig } from './config-checks.ts';
import { checkFiles } from './file-checks.ts';
import { reporter, type Finding } from './finding.ts';
import { fixesOf, fixOf, type Check } from './fixes.ts';
import { daemonFindings, readDaemon } from './daemon-checks.ts';
import { checkDisk, checkLogFiles, checkOthers, checkVersions } from './host-checks.ts';
import { checkServices } from './permission-checks.ts';
import { checkInstance, checkPool, checkRole, type InstanceInput } from './instance-checks.ts';
import { checkRoutes } from './route-checks.ts';

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
          : reporter(check)('failure', messageOf(error), fixOf(error, fixes[check])),
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
      const warnings: string[] = [];
      const hear = (line: string): void =>
        void warnings.push((JSON.parse(line) as { readonly msg: string }).msg);
      const deps = { ...ports, files: readOnly(ports), log: createLog('warn', hear) };
      loaded = await loadConfig(deps, { identity, imds, configFlag, stateDir, access }, signal);
      return configFindings(loaded, warnings);
    }),
  ]);
  const told = await daemon;
  const clocks: Finding[] = [];
  const hasRole = role.every(({ result }) => result === 'ok');
  const { pools = [], logs, files = [], takeOverStale = false, standby } = loaded?.config ?? {};
  const { runtimeDir } = input;
  const [ofEc2, ofPools, services, routes, logFiles, kept] = await Promise.all([
    hasRole
      ? within('ec2', checkMs, (signal) =>
          checkInstance(
            ports,
            {
              ...known,
              wanted: pools.length,
              served: status?.pools.filter(({ eni }) => eni !== undefined).length,
            },
            (finding) => clocks.push(finding),
            signal,
          ),
        )
      : [],
    Promise.all(
      hasRole
        ? pools.map((pool) =>
            within('pool', checkMs, (signal) =>
              checkPool(ports, { ...known, pool, takeOverStale, standby }, signal),
            ),
          )
        : [],
    ),
    loaded === undefined || !hasRole
      ? []
      : within('services', checkMs, (signal) =>
          checkServices(ports, { ...known, config: loaded!.config, status }, signal),
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
    ...runningConfig(loaded, status),
    ...ofEc2,
    ...ofPools.flat(),
    ...services,
    ...told,
    ...routes,
    ...logFiles,
    ...kept,
    ...(await host).flat(),
  ];
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
