// The section `logs`: the CloudWatch agent's keys and berth's own beside them (logs.md section 2).
import * as v from 'valibot';
import { isCodePage } from '../system/code-pages.ts';
import { unindented } from '../system/patterns.ts';
import { agentKey, roleToAssume } from './key-marks.ts';
import { nameTemplate } from './log-names.ts';
import { logMetricsSchema } from './metrics-schema.ts';

/** What PutRetentionPolicy takes, and -1: leave it alone. */
const retentionDays = [
  -1, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
  3288, 3653,
];

/** Judged by logSources: the engine is loaded only where there is one. */
const regex = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));

const filter = v.object({
  type: v.pipe(
    v.picklist(['include', 'exclude']),
    v.description('Send what matches only, or what does not'),
  ),
  expression: v.pipe(regex, v.description('Regular expression of Go (RE2) on the whole event')),
});

const filters = v.optional(
  v.pipe(v.array(filter), v.maxLength(1024), v.description('All have to let an event pass')),
);

const group = {
  log_group_class: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(512),
      v.toUpperCase(),
      v.description('Of a log group that berth makes: STANDARD or INFREQUENT_ACCESS'),
    ),
  ),
  retention_in_days: v.optional(
    v.pipe(
      v.number(),
      v.check((days) => retentionDays.includes(days), `must be one of ${retentionDays.join(' ')}`),
      v.description('Of the log group; -1 leaves it alone'),
    ),
    -1,
  ),
  kms_key_id: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(256),
      v.description('ARN of the KMS key of a log group that berth makes'),
    ),
  ),
  tags: v.optional(
    v.pipe(
      v.record(
        v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
        v.pipe(v.string(), v.maxLength(256)),
      ),
      v.check((tags) => Object.keys(tags).length <= 50, 'must be at most 50 tags'),
      v.description('Tags of a log group that berth makes'),
    ),
  ),
};

const entityName = (what: string, most: number) =>
  v.optional(
    v.pipe(v.string(), v.minLength(1), v.maxLength(most), v.description(`${what} in CloudWatch`)),
  );
export const service = {
  'service.name': entityName('Name of the service', 255),
  'deployment.environment': entityName('Environment of the service', 259),
};

const fieldName = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

/** Not the agent's. Names are names, not paths: `log.level` and `@timestamp` are fields too. */
const json = v.object({
  timestamp_field: v.optional(
    v.pipe(
      fieldName,
      v.description(
        'Field of JSON lines with the time: RFC 3339, or seconds, ms, us or ns since 1970',
      ),
    ),
  ),
  remove_fields: v.optional(
    v.pipe(
      v.array(fieldName),
      v.maxLength(256),
      v.description('Fields of JSON lines that are not sent'),
    ),
  ),
});

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
      v.description(
        'Default: file_path up to the last dot; with publish_multi_logs, the path of each file',
      ),
    ),
  ),
  log_stream_name: v.optional(
    v.pipe(nameTemplate('stream'), v.description('Default: logs.log_stream_name')),
  ),
  publish_multi_logs: v.optional(
    v.pipe(
      v.boolean(),
      v.description(
        'All files that match, each in a group or stream of its own; otherwise the newest only',
      ),
    ),
    false,
  ),
  blacklist: v.optional(
    v.pipe(regex, v.description('Files whose name (without folders) matches are left out')),
  ),
  encoding: v.optional(
    v.pipe(
      v.string(),
      v.check((label) => {
        if (isCodePage(label)) return true;
        try {
          return Boolean(new TextDecoder(label.replace(/^utf_/, 'utf-')));
        } catch {
          return false;
        }
      }, 'is no encoding of the WHATWG list, and no code page'),
      v.description('Of the files, e.g. utf-16 or gbk'),
    ),
    'utf-8',
  ),
  multi_line_start_pattern: v.optional(
    v.pipe(regex, v.description('Lines that do not match belong to the event before them')),
    unindented,
  ),
  multi_line: v.optional(
    v.pipe(v.boolean(), v.description('false: each line is an event, which needs no next one')),
    true,
  ),
  timestamp_format: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(4096),
      v.description('Where the time stands in an event. Default: when the line was written'),
    ),
  ),
  timezone: v.optional(
    v.pipe(
      v.picklist(['UTC', 'Local', 'LOCAL']),
      v.description('Of timestamp_format without an offset'),
    ),
    'Local',
  ),
  trim_timestamp: v.optional(
    v.pipe(v.boolean(), v.description('Cut the time out of the event')),
    false,
  ),
  json: v.optional(json),
  filters,
  auto_removal: v.optional(
    v.pipe(
      v.boolean(),
      v.description(
        'Delete a file that is sent once a newer one matches; not with publish_multi_logs',
      ),
    ),
    false,
  ),
  ...group,
  ...service,
  backpressure_mode: v.optional(
    v.pipe(
      v.picklist(['fd_release']),
      v.description(
        'fd_release: a deleted file is let go while sending is blocked; its other lines are lost',
      ),
    ),
  ),
});

const journal = v.object({
  log_group_name: v.pipe(nameTemplate('group'), v.description('Log group of the journal')),
  log_stream_name: v.optional(
    v.pipe(nameTemplate('stream'), v.description('Default: logs.log_stream_name')),
  ),
  units: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(256))),
      v.maxLength(256),
      v.description('Of these systemd units alone'),
    ),
  ),
  priority: v.optional(
    v.pipe(
      v.union([
        v.picklist(['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug']),
        v.picklist(['0', '1', '2', '3', '4', '5', '6', '7']),
      ]),
      v.description('Of this priority and more urgent ones'),
    ),
    'info',
  ),
  matches: v.optional(
    v.pipe(
      v.array(
        v.record(
          v.pipe(v.string(), v.regex(/^[A-Z0-9_]{1,64}$/, 'must be a field of the journal')),
          v.string(),
        ),
      ),
      v.maxLength(256),
      v.description('Entries with all the fields of one of these'),
    ),
  ),
  filters: v.optional(
    v.pipe(
      v.array(filter),
      v.maxLength(1024),
      v.description('One include has to match, and no exclude'),
    ),
  ),
  ...group,
});

export const logs = v.object({
  logs_collected: v.optional(
    v.object({
      files: v.optional(
        v.object({
          collect_list: v.pipe(
            v.array(collectedFile),
            v.maxLength(16_384),
            v.description('One entry for each glob'),
          ),
        }),
      ),
      journald: v.optional(
        v.object({
          collect_list: v.pipe(
            v.array(journal),
            v.maxLength(64),
            v.description('One entry for each selection of the journal'),
          ),
        }),
      ),
      application_signals: agentKey,
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
  compression: v.optional(
    v.pipe(
      v.picklist(['auto', 'none', 'gzip']),
      v.description(
        'Of what is sent; `auto`: gzip, unless the endpoint of CloudWatch Logs has a private address',
      ),
    ),
    'auto',
  ),
  max_bytes_per_second: v.optional(
    v.pipe(
      v.number(),
      v.minValue(1024),
      v.description('All of berth sends no more than this, before compression. Default: no limit'),
    ),
  ),
  endpoint_override: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => (/^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `https://${text}`)),
      v.url('must be a URL, or the name of a host'),
      v.description('Of CloudWatch Logs: a URL, or the name of a host'),
    ),
  ),
  credentials: roleToAssume(
    'Role that logs and metrics are sent with. Default: agent.credentials.role_arn, else that of the instance',
  ),
  ...service,
  concurrency: agentKey,
  metrics_collected: v.optional(logMetricsSchema()),
});
