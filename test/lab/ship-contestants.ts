// Who runs in `npm run bench:ship`: how each is started on a corpus, and the configuration that makes the rivals ship files
// from their beginning to a plain HTTP endpoint. Their programs are named by environment variables.
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { entrySource, logsConfig } from '../fixtures/log-source.ts';
import type { Corpus } from './ship-corpus.ts';
import { unitFlags } from './unit-flags.ts';

export type Encoding = 'plain' | 'gzip';

export type Job = {
  readonly corpus: Corpus;
  /** Matches every file of the corpus. */
  readonly pattern: string;
  readonly encoding: Encoding;
  readonly endpoint: URL;
  /** Empty and its own: state, configuration, log. */
  readonly folder: string;
};

export type Contestant = {
  readonly name: string;
  /** Those it can be told to use. */
  readonly encodings: readonly Encoding[];
  /** It follows files, so it costs something at rest as well. */
  readonly follows: boolean;
  /** What it has cost when the first body arrives is no shipping. */
  readonly prepares: boolean;
  /** undefined: it is not here. */
  readonly argv: ((job: Job) => readonly string[]) | undefined;
  /** Environment variable that names its program. */
  readonly variable: string | undefined;
};

export const contestantEnv = {
  AWS_ACCESS_KEY_ID: 'AKIALAB',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_REGION: 'eu-central-1',
  AWS_EC2_METADATA_DISABLED: 'true',
} as const;

/** Each has its own stream for each file, as far as these; beyond, one for all. */
const maxStreams = 100;
/** The same for all: so long does a batch that is not full wait. */
const flushMs = 1_000;

const node = (file: string): readonly string[] => [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  join(import.meta.dirname, file),
];

const own = { follows: false, prepares: false, variable: undefined } as const;

/** `bundle`: ship-contestant.ts, bundled as berth is. */
export const createContestants = (bundle: string): readonly Contestant[] => [
  {
    ...own,
    name: 'floor',
    encodings: ['plain', 'gzip'],
    prepares: true,
    argv: ({ corpus, encoding }) => [...node('ship-floor.ts'), encoding, ...corpus.paths],
  },
  {
    ...own,
    name: 'berth',
    encodings: ['plain', 'gzip'],
    follows: true,
    argv: ({ corpus, pattern, folder, encoding }) => {
      const isEach = corpus.paths.length <= maxStreams;
      const sources = (isEach ? corpus.paths : [pattern]).map((filePath) =>
        entrySource({
          filePath,
          logGroupName: 'bench',
          logStreamName: isEach ? basename(filePath) : 'all',
          files: 'all',
        }),
      );
      const compression = encoding === 'gzip' ? 'gzip' : 'none';
      const logs = logsConfig({ sources, forceFlushMs: flushMs, compression });
      return [process.execPath, ...unitFlags, bundle, JSON.stringify({ logs, stateDir: folder })];
    },
  },
  {
    ...own,
    name: 'plain SDK',
    encodings: ['plain'],
    argv: ({ corpus }) => [...node('ship-plain-sdk.ts'), ...corpus.paths],
  },
  rival('fluent-bit', 'BERTH_FLUENT_BIT', ['plain'], (program, job) => [
    program,
    '-c',
    written(job, 'fluent-bit.conf', fluentBit(job)),
  ]),
  rival('cloudwatch-agent', 'BERTH_CLOUDWATCH_AGENT', ['gzip'], (program, job) => [
    program,
    '-config',
    written(job, 'agent.toml', cloudwatchAgent(job)),
  ]),
  rival('vector', 'BERTH_VECTOR', ['plain', 'gzip'], (program, job) => [
    program,
    '--config',
    written(job, 'vector.json', JSON.stringify(vector(job))),
  ]),
];

function rival(
  name: string,
  variable: string,
  encodings: readonly Encoding[],
  argvOf: (program: string, job: Job) => readonly string[],
): Contestant {
  const program = process.env[variable];
  const argv = program === undefined ? undefined : (job: Job) => argvOf(program, job);
  return { name, encodings, follows: true, prepares: false, variable, argv };
}

function written({ folder }: Job, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/**
 * Its defaults start at the end of a file, look for files once a minute, give up after one retry, and read ahead without
 * limit: with those, a file that was there before is not shipped, or not whole. 5.1.1 forgets `tls off` while it sets up
 * the credentials (`upstream_set_fn_ec2` leaves `use_tls` on): as it is released, it speaks TLS to the sink and fails.
 */
function fluentBit({ corpus, pattern, endpoint, folder }: Job): string {
  const isEach = corpus.paths.length <= maxStreams;
  return `[SERVICE]
  flush ${flushMs / 1000}
  log_level warn
[INPUT]
  name tail
  tag f.*
  path ${pattern}
  read_from_head true
  refresh_interval 1
  db ${join(folder, 'fluent-bit.db')}
  mem_buf_limit 64M
[OUTPUT]
  name cloudwatch_logs
  match *
  region ${contestantEnv.AWS_REGION}
  log_group_name bench
  ${isEach ? 'log_stream_prefix s.' : 'log_stream_name all'}
  log_key log
  auto_create_group true
  endpoint ${endpoint.hostname}
  port ${endpoint.port}
  tls off
  retry_limit no_limits
`;
}

/** What its translator makes of a JSON with one file pattern; it always compresses. */
function cloudwatchAgent({ pattern, endpoint, folder }: Job): string {
  return `[agent]
  interval = "60s"
  flush_interval = "1s"
  logfile = ""
  omit_hostname = false
[inputs]
  [[inputs.logfile]]
    destination = "cloudwatchlogs"
    file_state_folder = "${join(folder, 'state')}"
    max_persist_state = 20
    [[inputs.logfile.file_config]]
      file_path = "${pattern}"
      from_beginning = true
      publish_multi_logs = true
      log_group_name = "bench"
      log_stream_name = "s"
      pipe = false
      retention_in_days = -1
[outputs]
  [[outputs.cloudwatchlogs]]
    force_flush_interval = "${flushMs}ms"
    log_stream_name = "s"
    region = "${contestantEnv.AWS_REGION}"
    endpoint_override = "${endpoint.origin}"
`;
}

/** Written by its source (0.58), not run. */
function vector({ corpus, pattern, encoding, endpoint, folder }: Job): unknown {
  const isEach = corpus.paths.length <= maxStreams;
  return {
    data_dir: folder,
    sources: {
      files: {
        type: 'file',
        include: [pattern],
        read_from: 'beginning',
        fingerprint: { strategy: 'device_and_inode' },
      },
    },
    sinks: {
      out: {
        type: 'aws_cloudwatch_logs',
        inputs: ['files'],
        region: contestantEnv.AWS_REGION,
        endpoint: endpoint.origin,
        group_name: 'bench',
        // Its templates know the whole path only, and a stream's name may hold slashes.
        stream_name: isEach ? '{{ file }}' : 'all',
        encoding: { codec: 'text' },
        compression: encoding === 'gzip' ? 'gzip' : 'none',
        acknowledgements: { enabled: true },
        batch: { timeout_secs: flushMs / 1000 },
        healthcheck: { enabled: false },
      },
    },
  };
}
