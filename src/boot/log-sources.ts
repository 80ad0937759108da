// Turns the collected files of a configuration into sources with their final names of log group and stream. Pure.
import { posix } from 'node:path';
import type { LogSource } from '../model.ts';
import { resolveName, type ConfigIssue, type RawConfig } from './config-schema.ts';
import type { PlaceholderFacts } from './placeholders.ts';

export type LogSources = {
  readonly sources: readonly LogSource[];
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
};

export function logSources(logs: RawConfig['logs'], facts: PlaceholderFacts): LogSources {
  const issues: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];

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
  const seen = new Map<string, string>();
  const list = logs.logs_collected?.files?.collect_list ?? [];
  const sources = list.map((file, i): LogSource => {
    const path = `logs.logs_collected.files.collect_list[${i}]`;
    const source = {
      filePath: file.file_path,
      logGroupName: name(
        'group',
        file.log_group_name ?? defaultGroup(file.file_path),
        `${path}.log_group_name`,
      ),
      logStreamName:
        file.log_stream_name === undefined
          ? streamDefault
          : name('stream', file.log_stream_name, `${path}.log_stream_name`),
    };
    const key = JSON.stringify(source);
    const twin = seen.get(key);
    if (twin === undefined) seen.set(key, path);
    else issues.push({ path, message: `${path}: is the same as ${twin}: remove one of them` });
    return source;
  });
  return { sources, issues, warnings };
}

/** The agent's rule; what a name cannot hold (the `*` of a pattern) becomes `_`, as the agent does elsewhere. */
function defaultGroup(filePath: string): string {
  const extension = /\.[^.]*$/.exec(posix.basename(filePath))?.[0] ?? '';
  const group = filePath.slice(0, filePath.length - extension.length);
  return (group === '' ? filePath : group).replaceAll(/[^.\-_/#A-Za-z0-9]/g, '_').slice(0, 512);
}
