// Every key of the configuration, with its default, its bounds and its description: the only place where they are written.
// The form is the CloudWatch agent's JSON; what is about the claim is berth's own.
import * as v from 'valibot';
import { files } from './files-schema.ts';
import { agentKey, open, roleToAssume } from './key-marks.ts';
import { logs, service } from './logs-schema.ts';
import { intervalSeconds, metricsSchema } from './metrics-schema.ts';
import { signals } from './signals-schema.ts';

const agent = v.pipe(
  v.object({
    aws_sdk_log_level: agentKey,
    credentials: roleToAssume('Where logs.credentials names no role'),
    debug: agentKey,
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
    region: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^$|^[a-z]{2,}(?:-[a-z]+)+-\d+$/, 'must be the name of a Region'),
        v.description('Where logs and metrics are sent to. Default: that of the instance'),
      ),
    ),
    run_as_user: agentKey,
    ...service,
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
  onNotice: hook('when AWS gives notice of something; see notices'),
  environment: v.optional(
    v.pipe(
      v.record(
        v.pipe(
          v.string(),
          v.regex(
            /^(?!BERTH_)[A-Za-z_][A-Za-z0-9_]{0,127}$/,
            'must be a name of a variable, and not of BERTH_',
          ),
        ),
        v.pipe(v.string(), v.maxLength(65_536), v.regex(/^[^\0]*$/, 'must have no NUL in it')),
      ),
      v.description('Variables of the hooks, beside those of berth; secrets may stand here'),
    ),
    {},
  ),
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

const monitoring = v.pipe(
  v.object({
    port: v.optional(
      v.pipe(
        v.number(),
        v.integer(),
        v.minValue(1),
        v.maxValue(65_535),
        v.description('The same on http://127.0.0.1:PORT, for every user of this host'),
      ),
    ),
  }),
  v.description('OpenMetrics, /healthz and /readyz on the socket http.sock of the runtime folder'),
);

const notices = v.pipe(
  v.object({
    release: v.optional(
      v.pipe(
        v.array(v.picklist(['spot', 'rebalance', 'termination', 'maintenance'])),
        v.description(
          'Give the interface back on a Spot interruption, a rebalance recommendation, a termination by Auto Scaling, a scheduled event. Default: `["spot", "termination"]`',
        ),
      ),
      ['spot', 'termination'],
    ),
    drainSeconds: v.optional(
      v.pipe(seconds(3600), v.description('Go on serving so long after the notice')),
      0,
    ),
  }),
  v.description('Looks for notices of AWS in the metadata, each five seconds'),
);

const reload = v.object({
  everySeconds: v.optional(
    v.pipe(
      v.number(),
      v.minValue(60),
      v.maxValue(week),
      v.description(
        'Parameter Store is asked for a new configuration so long after the last time, at random up to twice as long',
      ),
    ),
    600,
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
    metrics: v.optional(metricsSchema()),
    monitoring: v.optional(monitoring),
    notices: v.optional(notices),
    signals: v.optional(signals),
    reload: v.optional(reload, {}),
    files: v.optional(files, []),
    csm: agentKey,
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
  v.check(
    ({ signals, notices }) =>
      signals?.autoScaling?.terminateHook === undefined ||
      notices === undefined ||
      notices.release.includes('termination'),
    'signals.autoScaling.terminateHook needs termination in notices.release',
  ),
);

/** After validation, before placeholders and names. */
export type RawConfig = v.InferOutput<typeof configSchema>;

/** Found by any check of a configuration; `message` is a sentence with the path in it, and never repeats a value. */
export type ConfigIssue = { readonly path: string; readonly message: string };
