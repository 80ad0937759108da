// Turns the collected files and journals of a configuration into sources with their final names of log group and stream. Pure.
import { posix } from 'node:path';
import type {
  GroupOptions,
  JournalSource,
  JsonFields,
  LogEntity,
  LogsConfig,
  LogSource,
} from '../model/logs.ts';
import { unindented, type CompilePattern } from '../system/patterns.ts';
import type { ConfigIssue, RawConfig } from './config-schema.ts';
import { resolveName } from './log-names.ts';
import type { PlaceholderFacts } from './placeholders.ts';

export type CheckedLogs = {
  readonly logs: LogsConfig;
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
};

type RawLogs = RawConfig['logs'];
type RawFile = NonNullable<NonNullable<RawLogs['logs_collected']>['files']>['collect_list'][number];
type RawJournal = NonNullable<
  NonNullable<RawLogs['logs_collected']>['journald']
>['collect_list'][number];
type Service = Pick<RawFile, 'service.name' | 'deployment.environment'>;

/** What begins like one of the agent's (its internal/util/timestamp) and is none. */
const noDirective = /%(?!-?[mdIMS]|[BbAaHYypZzf])-?[A-Za-z]/g;

const at = (kind: 'files' | 'journald', i: number): string =>
  `logs.logs_collected.${kind}.collect_list[${i}]`;

/** `compile`: undefined where the configuration has no regular expression. */
export function checkLogs(
  { logs, agent }: Pick<RawConfig, 'logs' | 'agent'>,
  facts: PlaceholderFacts,
  compile: CompilePattern | undefined,
): CheckedLogs {
  const issues: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  const files = logs.logs_collected?.files?.collect_list ?? [];
  const journals = logs.logs_collected?.journald?.collect_list ?? [];

  const name = (kind: 'group' | 'stream', template: string, path: string): string => {
    const { text, unknown, problem } = resolveName(kind, template, facts);
    if (problem !== undefined) issues.push({ path, message: `${path}: ${problem}` });
    else if (unknown.length > 0) {
      const message = `${path}: ${unknown.join(', ')} is no placeholder, it stays as it is`;
      warnings.push({ path, message });
    }
    return text;
  };
  const streamDefault = name('stream', logs.log_stream_name, 'logs.log_stream_name');
  const streamOf = (template: string | undefined, path: string): string =>
    template === undefined ? streamDefault : name('stream', template, `${path}.log_stream_name`);

  const warn = (path: string, message: string): void =>
    void warnings.push({ path, message: `${path}: ${message}` });
  const judgePattern = (pattern: string | undefined, path: string): void => {
    if (pattern === undefined) return;
    try {
      compile?.(pattern);
    } catch {
      const rule = 'must be a regular expression of Go (RE2), without look-around';
      issues.push({ path, message: `${path}: ${rule}` });
    }
  };
  const judgeFilters = (filters: RawFile['filters'], path: string): void => {
    for (const [i, { expression }] of (filters ?? []).entries())
      judgePattern(expression, `${path}.filters[${i}].expression`);
  };

  const entityOf = (own: Partial<Service>): LogEntity | undefined => {
    const key = 'service.name';
    const service = own[key] ?? logs[key] ?? agent?.[key];
    const where = 'deployment.environment';
    const environment = own[where] ?? logs[where] ?? agent?.[where];
    if (service === undefined) return undefined;
    const { identity } = facts;
    return {
      service,
      environment,
      accountId: identity?.accountId,
      instanceId: identity?.instanceId,
      autoScalingGroup: identity?.tags?.['aws:autoscaling:groupName'],
    };
  };

  const groupOptions = (entry: RawFile | RawJournal, path: string): GroupOptions => {
    const { retention_in_days, log_group_class, kms_key_id, tags } = entry;
    const isClass = log_group_class === 'STANDARD' || log_group_class === 'INFREQUENT_ACCESS';
    // As the agent does.
    if (log_group_class !== undefined && !isClass)
      warn(
        `${path}.log_group_class`,
        'is neither STANDARD nor INFREQUENT_ACCESS: as if it were not set',
      );
    return {
      class: isClass ? log_group_class : undefined,
      retentionDays: retention_in_days === -1 ? undefined : retention_in_days,
      kmsKeyId: kms_key_id,
      tags,
    };
  };

  const sourceOf = (file: RawFile, path: string): LogSource => {
    judgePattern(file.blacklist, `${path}.blacklist`);
    judgeFilters(file.filters, path);
    const format = file.timestamp_format;
    for (const [unknown] of (format ?? '').matchAll(noDirective))
      warn(`${path}.timestamp_format`, `${unknown} is no directive, it stands for itself`);
    let start = file.multi_line_start_pattern;
    if (start === '{timestamp_format}' && format === undefined) {
      warn(
        `${path}.multi_line_start_pattern`,
        'there is no timestamp_format: as if it were not set',
      );
      start = unindented;
    } else if (start !== '{timestamp_format}')
      judgePattern(start, `${path}.multi_line_start_pattern`);
    const group = file.log_group_name;
    const separate = group === undefined ? 'group' : 'stream';
    return {
      filePath: file.file_path,
      logGroupName: name('group', group ?? defaultGroup(file.file_path), `${path}.log_group_name`),
      logStreamName: streamOf(file.log_stream_name, path),
      groupOptions: groupOptions(file, path),
      files: file.publish_multi_logs ? separate : 'newest',
      blacklist: file.blacklist,
      encoding: file.encoding.replace(/^utf_/, 'utf-'),
      startPattern: file.multi_line ? start : undefined,
      timestamp:
        format === undefined
          ? undefined
          : { format, zone: file.timezone === 'UTC' ? 'utc' : 'local', trim: file.trim_timestamp },
      json: jsonFields(file.json),
      filters: file.filters ?? [],
      autoRemoval: file.auto_removal && !file.publish_multi_logs,
      releaseDeleted: file.backpressure_mode === 'fd_release' && !file.auto_removal,
      entity: entityOf(file),
    };
  };
  const journalOf = (journal: RawJournal, path: string): JournalSource => {
    judgeFilters(journal.filters, path);
    return {
      logGroupName: name('group', journal.log_group_name, `${path}.log_group_name`),
      logStreamName: streamOf(journal.log_stream_name, path),
      groupOptions: groupOptions(journal, path),
      units: journal.units ?? [],
      priority: journal.priority,
      matches: journal.matches ?? [],
      filters: journal.filters ?? [],
      entity: entityOf({}),
    };
  };

  const sources = files.map((file, i) => sourceOf(file, at('files', i)));
  const selections = journals.map((journal, i) => journalOf(journal, at('journald', i)));
  issues.push(
    ...quarrels([
      ...sources.map((source, i) => ({ source, path: at('files', i) })),
      ...selections.map((source, i) => ({ source, path: at('journald', i) })),
    ]),
  );
  return {
    logs: {
      sources: once(sources, (i) => at('files', i), warn),
      journals: once(selections, (i) => at('journald', i), warn),
      forceFlushMs: logs.force_flush_interval * 1000,
      compression: logs.compression,
      maxBytesPerSecond: logs.max_bytes_per_second,
      endpoint: logs.endpoint_override,
      region: agent?.region === '' ? undefined : agent?.region,
      roleArn: logs.credentials?.role_arn ?? agent?.credentials?.role_arn,
    },
    issues,
    warnings,
  };
}

function jsonFields(json: RawFile['json']): JsonFields | undefined {
  const timestampField = json?.timestamp_field;
  const removeFields = json?.remove_fields ?? [];
  if (timestampField === undefined && removeFields.length === 0) return undefined;
  return { timestampField, removeFields };
}

/** Equal entries are one, and whoever wrote the second hears of it. */
function once<T>(
  sources: readonly T[],
  pathOf: (i: number) => string,
  warn: (path: string, message: string) => void,
): readonly T[] {
  const seen = new Map<string, string>();
  return sources.filter((source, i) => {
    const key = JSON.stringify(source);
    const twin = seen.get(key);
    if (twin === undefined) seen.set(key, pathOf(i));
    else warn(pathOf(i), `is the same as ${twin}: done once`);
    return twin === undefined;
  });
}

/** Two entries want one log group to be two things; CloudWatch's names differ by more than case, the agent's rule does not. */
function quarrels(
  entries: readonly {
    readonly source: Pick<LogSource, 'logGroupName' | 'groupOptions'>;
    readonly path: string;
  }[],
): readonly ConfigIssue[] {
  const wanted = new Map<string, { readonly value: unknown; readonly path: string }>();
  return entries.flatMap(({ source, path }) =>
    (['retentionDays', 'class'] as const).flatMap((option) => {
      const value = source.groupOptions[option];
      if (value === undefined) return [];
      const key = `${option} ${source.logGroupName.toLowerCase()}`;
      const first = wanted.get(key);
      if (first === undefined) wanted.set(key, { value, path });
      if (first === undefined || first.value === value) return [];
      const what = option === 'class' ? 'log_group_class' : 'retention_in_days';
      return [
        {
          path,
          message: `${path}.${what}: ${first.path} wants another one for the same log group`,
        },
      ];
    }),
  );
}

/** The agent's rule; what a name cannot hold (the `*` of a pattern) becomes `_`, as the agent does elsewhere. */
function defaultGroup(filePath: string): string {
  const extension = /\.[^.]*$/.exec(posix.basename(filePath))?.[0] ?? '';
  const group = filePath.slice(0, filePath.length - extension.length);
  return (group === '' ? filePath : group).replaceAll(/[^.\-_/#A-Za-z0-9]/g, '_').slice(0, 512);
}
