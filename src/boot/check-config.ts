// Judges a configuration: everything that is wrong with it at once, or the configuration with every default filled in. Pure.
import * as v from 'valibot';
import type { Config, MonitoringConfig, NoticesConfig } from '../model/config.ts';
import type { CompilePattern } from '../system/patterns.ts';
import { checkLogs } from './check-logs.ts';
import { claimConfig } from './claim-config.ts';
import { configSchema, type ConfigIssue, type RawConfig } from './config-schema.ts';
import { filesConfig } from './files-config.ts';
import { jsonErrorPosition } from './json-position.ts';
import { emfConfig, metricsConfig } from './metrics-config.ts';
import type { PlaceholderFacts } from './placeholders.ts';
import { signalsConfig } from './signals-config.ts';
import { checkKeys } from './unknown-keys.ts';

export type CheckedConfig = { readonly warnings: readonly ConfigIssue[] } & (
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] }
);

/** Does it hold regular expressions? Then checkConfig needs the engine. */
export function hasPatterns(input: unknown): boolean {
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  return /"(?:blacklist|expression|multi_line_start_pattern)"/.test(text ?? '');
}

/** `input`: JSON text, or a value that was parsed already. `compile`: see `hasPatterns`. */
export function checkConfig(
  input: unknown,
  facts: PlaceholderFacts,
  compile: CompilePattern | undefined,
): CheckedConfig {
  let value = input;
  if (typeof input === 'string') {
    const text = input.replace(/^\uFEFF/, '');
    try {
      value = JSON.parse(text);
    } catch {
      const { line, column } = jsonErrorPosition(text);
      const message = `line ${line}, column ${column}: this is not JSON from here on`;
      return { ok: false, issues: [{ path: '', message }], warnings: [] };
    }
  }

  const keys = checkKeys(configSchema, value);
  const parsed = v.safeParse(configSchema, value);
  if (!parsed.success) {
    const described = parsed.issues.map(describe);
    // One is enough for each path: what is empty is also no name.
    const byPath = new Map(described.toReversed().map((issue) => [issue.path, issue]));
    const issues = [
      ...keys.issues,
      ...described.filter((issue) => byPath.get(issue.path) === issue),
    ];
    return { ok: false, issues, warnings: keys.warnings };
  }
  const there = factsOf(parsed.output, facts);
  const { logs, ...checked } = checkLogs(parsed.output, there, compile);
  const metrics = metricsConfig(parsed.output, there);
  const emf = emfConfig(parsed.output.logs, there);
  const signals = signalsConfig(parsed.output, facts.identity);
  const found = [checked, metrics, emf, { issues: [], warnings: signalWarnings(signals) }];
  const warnings = [...keys.warnings, ...found.flatMap((one) => one.warnings)];
  const issues = [...keys.issues, ...found.flatMap((one) => one.issues)];
  if (issues.length > 0) return { ok: false, issues, warnings };
  const config = {
    ...claimConfig(parsed.output),
    logs,
    metrics: metrics.config,
    emf: emf.config,
    monitoring: monitoringOf(parsed.output),
    notices: noticesOf(parsed.output),
    signals,
    reload: { everyMs: parsed.output.reload.everySeconds * 1000 },
    files: filesConfig(parsed.output),
  };
  return { ok: true, config, warnings };
}

/** {aws_region} is where the logs go, as for the agent. */
function factsOf({ agent }: RawConfig, facts: PlaceholderFacts): PlaceholderFacts {
  const { identity } = facts;
  const region = agent?.region ?? '';
  if (identity === undefined || region === '') return facts;
  return { ...facts, identity: { ...identity, region } };
}

function monitoringOf({ monitoring }: RawConfig): MonitoringConfig | undefined {
  return monitoring === undefined ? undefined : { port: monitoring.port };
}

/** A Spot instance is there until the very time; a detach takes seconds. */
const noticeMarginMs = 15_000;

const terminationOnly = { release: ['termination'], drainSeconds: 0 } as const;

/** Whoever answers the hook of a termination has to hear of it. */
function noticesOf({ notices, signals }: RawConfig): NoticesConfig | undefined {
  const forHook = signals?.autoScaling?.terminateHook === undefined ? undefined : terminationOnly;
  const heard = notices ?? forHook;
  if (heard === undefined) return undefined;
  const { release, drainSeconds } = heard;
  return { release, drainMs: drainSeconds * 1000, marginMs: noticeMarginMs };
}

function signalWarnings(signals: Config['signals']): readonly ConfigIssue[] {
  return (signals?.problems ?? []).map(({ message }) => ({ path: 'signals', message }));
}

function describe(issue: v.BaseIssue<unknown>): ConfigIssue {
  const path = pathOf(issue);
  const where = path === '' ? 'the configuration' : path;
  return { path, message: `${where}: ${problem(issue)}` };
}

/** Lists as `collect_list[0]`. */
function pathOf(issue: v.BaseIssue<unknown>): string {
  let path = '';
  for (const { type, key } of issue.path ?? []) {
    path += type === 'array' ? `[${String(key)}]` : `${path === '' ? '' : '.'}${String(key)}`;
  }
  return path;
}

function problem(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === 'schema' && issue.type !== 'union') {
    if (issue.received === 'undefined') return 'must be there';
    const article = /^[aeiou]/i.test(issue.expected ?? '') ? 'an' : 'a';
    return `must be ${article} ${(issue.expected ?? 'value').toLowerCase()}`;
  }
  const requirement = String(issue.requirement);
  switch (issue.type) {
    case 'integer':
      return 'must be a whole number';
    case 'min_value':
      return `must be at least ${requirement}`;
    case 'max_value':
      return `must be at most ${requirement}`;
    case 'min_length':
      return 'must not be empty';
    case 'max_length':
      return `must be at most ${requirement} long`;
    default:
      return issue.message;
  }
}
