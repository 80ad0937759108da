// Every key of the configuration, with its default, its bounds and its description: the only place where they are written.
// The form is the CloudWatch agent's JSON; what is about the claim is berth's own.
import * as v from 'valibot';
import { intervalSeconds, logMetricsSchema, metricsSchema } from './metrics-schema.ts';
import { fillPlaceholders, type Filled, type PlaceholderFacts } from './placeholders.ts';

/** Metadata of a key that the agent knows and berth accepts, but does not do: a warning, never an error. */
export const notDone = { notDone: true } as const;
/** Metadata of a section that the agent leaves open: an unknown key in it is a warning. */
export const open = { open: true } as const;

const agentKey = v.optional(v.pipe(v.unknown(), v.metadata(notDone)));

/** PutLogEvents and CreateLogGroup (logs.md section 1). */
const logGroupName = v.pipe(
  v.string(),
  v.regex(/^[.\-_/#A-Za-z0-9]{1,512}$/, 'must be 1 to 512 of A-Z a-z 0-9 . - _ / #'),
  v.regex(/^(?!aws\/)/, 'must not begin with aws/'),
);
const logStreamName = v.pipe(
  v.string(),
  v.regex(/^[^:*]{1,512}$/, 'must be 1 to 512 characters without : and *'),
);

/** A name with its placeholders filled in, and what is wrong with it. */
export type ResolvedName = Filled & { readonly problem: string | undefined };

export function resolveName(
  kind: 'group' | 'stream',
  template: string,
  facts: PlaceholderFacts,
): ResolvedName {
  const filled = fillPlaceholders(template, facts);
  const schema = kind === 'group' ? logGroupName : logStreamName;
  return { ...filled, problem: v.safeParse(schema, filled.text).issues?.[0].message };
}

/** No value of a placeholder holds what a name may not: where the instance is decides about the length alone. */
const anywhere: PlaceholderFacts = { identity: undefined, localHostname: undefined, nowMs: 0 };

const nameTemplate = (kind: 'group' | 'stream') =>
  v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(512),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { problem, unknown } = resolveName(kind, dataset.value, anywhere);
      const left = unknown.length === 0 ? '' : `; ${unknown.join(', ')} is no placeholder`;
      if (problem !== undefined) addIssue({ message: `${problem}${left}` });
    }),
  );

const collectedFile = v.object({
  file_path: v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(4096),
    v.description('Glob of the files to ship'),
  ),
  log_group_name: v.optional(
    v.pipe(
      nameTemplate('group'),
      v.description('Default: file_path up to the last dot of the file name'),
    ),
  ),
  log_stream_name: v.optional(
    v.pipe(nameTemplate('stream'), v.description('Default: logs.log_stream_name')),
  ),
  auto_removal: agentKey,
  backpressure_mode: agentKey,
  blacklist: agentKey,
  'deployment.environment': agentKey,
  encoding: agentKey,
  filters: agentKey,
  log_group_class: agentKey,
  multi_line_start_pattern: agentKey,
  publish_multi_logs: agentKey,
  retention_in_days: agentKey,
  'service.name': agentKey,
  timestamp_format: agentKey,
  timezone: agentKey,
  trim_timestamp: agentKey,
});

const files = v.object({
  collect_list: v.pipe(
    v.array(collectedFile),
    v.maxLength(16_384),
    v.description('One entry for each glob'),
  ),
});

const logs = v.object({
  logs_collected: v.optional(
    v.object({
      files: v.optional(files),
      application_signals: agentKey,
      journald: agentKey,
      windows_events: agentKey,
    }),
  ),
  log_stream_name: v.optional(
    v.pipe(
      nameTemplate('stream'),
      v.description(
        'May hold {instance_id} {hostname} {local_hostname} {ip_address} {aws_region} {account_id} {date}',
      ),
    ),
    '{instance_id}',
  ),
  force_flush_interval: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(1),
      v.maxValue(172_800),
      v.description('Seconds that a batch waits for more; a full one goes at once'),
    ),
    5,
  ),
  concurrency: agentKey,
  credentials: agentKey,
  'deployment.environment': agentKey,
  endpoint_override: agentKey,
  metrics_collected: v.optional(logMetricsSchema({ agentKey, open, nameTemplate })),
  'service.name': agentKey,
});

const agent = v.pipe(
  v.object({
    aws_sdk_log_level: agentKey,
    credentials: agentKey,
    debug: agentKey,
    'deployment.environment': agentKey,
    logfile: agentKey,
    metrics_collection_interval: v.optional(
      v.pipe(
        intervalSeconds,
        v.description('Seconds between collections of metrics, where a section has no interval'),
      ),
      60,
    ),
    omit_hostname: v.optional(
      v.pipe(v.boolean(), v.description('Metrics without the dimension host')),
      false,
    ),
    quiet: agentKey,
    region: agentKey,
    run_as_user: agentKey,
    'service.name': agentKey,
    use_dualstack_endpoint: agentKey,
    user_agent: agentKey,
  }),
  v.metadata(open),
);

const poolName = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

const seconds = (most: number) => v.pipe(v.number(), v.minValue(0), v.maxValue(most));
const week = 604_800;

const pin = v.pipe(
  v.object({
    eniId: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^eni-[0-9a-f]{8,17}$/, 'must be the id of an ENI'),
        v.description('Take this ENI and no other'),
      ),
    ),
    ip: v.optional(
      v.pipe(v.string(), v.ipv4('must be an IPv4 address'), v.description('... with this address')),
    ),
    mac: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$/, 'must be a MAC with colons'),
        v.toLowerCase(),
        v.description('... with this MAC'),
      ),
    ),
    tag: v.optional(
      v.pipe(
        v.string(),
        v.minLength(1),
        v.maxLength(128),
        v.description('... whose tag of this name has the value of the tag of the instance'),
      ),
    ),
    value: v.optional(
      v.pipe(v.string(), v.maxLength(256), v.description('With tag: this value instead')),
    ),
  }),
  v.check(
    ({ eniId, ip, mac, tag }) =>
      [eniId, ip, mac, tag].filter((one) => one !== undefined).length === 1,
    'must have exactly one of eniId, ip, mac and tag',
  ),
  v.check(({ tag, value }) => tag !== undefined || value === undefined, 'value goes with tag only'),
);

const pools = v.pipe(
  v.array(
    v.object({
      name: v.pipe(poolName, v.description('Value of the tag berth:pool of its interfaces')),
      pin: v.optional(pin),
      waitSeconds: v.optional(
        v.pipe(
          seconds(week),
          v.description('Fail after waiting so long for a free interface. Default: wait for ever'),
        ),
      ),
    }),
  ),
  v.maxLength(15),
  v.check(
    (list) => new Set(list.map(({ name }) => name)).size === list.length,
    'must not name a pool twice',
  ),
  v.description('Several pools, one interface of each; instead of pool'),
);

const hook = (when: string) =>
  v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.maxLength(4096))),
      v.minLength(1),
      v.maxLength(64),
      v.description(`Program and arguments to run ${when}`),
    ),
  );

const hooks = v.object({
  onClaimed: hook('when the interface is attached'),
  onReady: hook('when the address is served'),
  onLost: hook('when it is not served any more'),
  onReleased: hook('when the interface was given back'),
  timeoutSeconds: v.optional(
    v.pipe(
      v.number(),
      v.minValue(1),
      v.maxValue(3600),
      v.description('A hook that runs longer is ended'),
    ),
    30,
  ),
});

const probe = v.object({
  port: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(1),
    v.maxValue(65_535),
    v.description("TCP port of the holder's interface that is probed"),
  ),
  httpPath: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\/[!-~]*$/, 'must begin with / and hold no spaces'),
      v.maxLength(2048),
      v.description('GET this; 200 to 399 is healthy. Default: a TCP connection is enough'),
    ),
  ),
  intervalSeconds: v.optional(
    v.pipe(v.number(), v.minValue(0.1), v.maxValue(3600), v.description('Time between probes')),
    1,
  ),
  timeoutSeconds: v.optional(
    v.pipe(v.number(), v.minValue(0.1), v.maxValue(60), v.description('For one probe')),
    1,
  ),
  failures: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(1),
      v.maxValue(1000),
      v.description('Failures running after which the holder is silent'),
    ),
    3,
  ),
});

const standby = v.object({
  probe,
  fence: v.optional(
    v.pipe(
      v.picklist(['detach', 'stop']),
      v.description('What is done to a silent holder: `detach`, or `stop` it first'),
    ),
    'detach',
  ),
  delaySeconds: v.optional(
    v.pipe(seconds(600), v.description('Wait before fencing; give each standby another one')),
    0,
  ),
});

/** Not 0x80 (CNI), 0x4000 to 0xc000 (kube-proxy), 0xffff0000 (Calico): routing.md section 3. */
const connmark = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-fA-F]{1,8}$/, 'must be a mask like "0x3f00"'),
  v.transform(Number),
  v.check((mask) => mask > 0 && mask < 0x8000_0000, 'must be between 0x1 and 0x7fffffff'),
  v.check((mask) => /^1+0*$/.test(mask.toString(2)), 'must be one run of bits'),
);

const routing = v.object({
  mode: v.optional(
    v.pipe(
      v.picklist(['own', 'verify']),
      v.description(
        '`verify`: another tool sets the routes, and berth says whether they are right',
      ),
    ),
    'own',
  ),
  localBridges: v.optional(
    v.pipe(
      v.boolean(),
      v.description('Containers behind bridges of this host reach the address too'),
    ),
    false,
  ),
  connmark: v.optional(
    v.pipe(
      connmark,
      v.description(
        'Mask of connection marks, e.g. "0x3f00": what came in by the interface and was forwarded (DNAT to containers) is answered by it. Needs nft',
      ),
    ),
  ),
});

export const configSchema = v.pipe(
  v.object({
    $schema: v.optional(v.pipe(v.string(), v.description('For editors'))),
    pool: v.optional(
      v.pipe(
        poolName,
        v.description('Value of the tag berth:pool of the interfaces that this instance may claim'),
      ),
    ),
    pools: v.optional(pools),
    releaseOnStop: v.optional(
      v.pipe(v.boolean(), v.description('Detach and release the interface at a clean stop')),
      false,
    ),
    takeOverStale: v.optional(
      v.pipe(
        v.boolean(),
        v.description(
          'Take an interface whose owner was terminated without giving it back (takeover.json)',
        ),
      ),
      false,
    ),
    role: v.optional(
      v.pipe(
        v.picklist(['primary', 'standby']),
        v.description('`standby` watches the holder and takes over from it (standby.json)'),
      ),
      'primary',
    ),
    standby: v.optional(standby),
    hooks: v.optional(hooks, {}),
    routing: v.optional(routing, {}),
    agent: v.optional(agent),
    logs: v.optional(logs, {}),
    metrics: v.optional(metricsSchema({ agentKey, open, nameTemplate })),
    opentelemetry: agentKey,
    traces: agentKey,
  }),
  v.check(
    ({ pool, pools }) => pool === undefined || pools === undefined,
    'pool and pools exclude each other',
  ),
  v.check(
    ({ role, standby }) => role === 'primary' || standby !== undefined,
    'role standby needs standby.probe.port',
  ),
);

/** After validation, before placeholders and names. */
export type RawConfig = v.InferOutput<typeof configSchema>;

/** Found by any check of a configuration; `message` is a sentence with the path in it, and never repeats a value. */
export type ConfigIssue = { readonly path: string; readonly message: string };
