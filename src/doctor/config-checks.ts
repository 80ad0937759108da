// The configuration: what lies there now, and what the daemon runs with.
import type { Config, ConfigSource, LoadedConfig } from '../model/config.ts';
import type { Status } from '../model/status.ts';
import { reporter, type Finding } from './finding.ts';
import { wayTo } from './fixes.ts';

const putGood = 'put a good one there (berth check-config FILE), then berth reload';

/** `warnings`: what was said while it was loaded. */
export function configFindings(
  { config, source, rejected }: LoadedConfig,
  warnings: readonly string[],
): readonly Finding[] {
  const report = reporter('config');
  const version = versionOf(source);
  if (rejected !== undefined) return [report('failure', rejected.reason, putGood)];
  if (source.lastKnownGood) {
    const why = `the last good copy of ${source.name}${version}: Parameter Store does not answer`;
    return [report('warning', why, wayTo('ssm'))];
  }
  const none = reporter('pool')('ok', 'none is configured: this instance claims nothing');
  return [
    report('ok', `${source.name}${version}`),
    ...warnings.map((warning) => report('warning', warning, `correct it in ${source.name}`)),
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
  const fix =
    'aws ec2 modify-instance-metadata-options --instance-id i-... --instance-metadata-tags enabled, or name them in the configuration';
  return [
    ...(told.length === 0 ? [] : [report('ok', `told: ${told.join(', ')}`)]),
    ...problems.map(({ message }) => report('failure', message, fix)),
  ];
}

/** What the daemon runs with, beside what lies there now; undefined: that cannot be loaded. */
export function runningConfig(
  loaded: LoadedConfig | undefined,
  status: Status | undefined,
): readonly Finding[] {
  const used = status?.config;
  if (used === undefined) return [];
  const report = reporter('config');
  const { name, rejected, restartNeeded } = used;
  const there = loaded?.source;
  const isOther = there !== undefined && there.name !== name;
  const isOlder =
    !isOther && rejected === undefined && there !== undefined && there.version !== used.version;
  return [
    ...(isOther
      ? [
          report(
            'warning',
            `the daemon uses ${name}`,
            `systemctl restart berth, to use ${there.name}; or give doctor the same --config`,
          ),
        ]
      : []),
    ...(isOlder
      ? [
          report(
            'warning',
            `the daemon uses${versionOf(used)} of ${name},${versionOf(there)} lies there`,
            'berth reload',
          ),
        ]
      : []),
    ...(used.lastKnownGood && there?.lastKnownGood !== true
      ? [report('warning', `the daemon uses the last good copy of ${name}`, 'berth reload')]
      : []),
    // That it cannot be used is said already.
    ...(rejected === undefined || loaded?.rejected !== undefined
      ? []
      : [
          report(
            'failure',
            `the daemon does not use${versionOf(rejected)} of ${name}: ${rejected.reason}`,
            putGood,
          ),
        ]),
    ...(restartNeeded.length === 0
      ? []
      : [
          report(
            'warning',
            `new values that count from the next start on: ${restartNeeded.join(', ')}`,
            'systemctl restart berth',
          ),
        ]),
  ];
}

/** ` version 7`; empty where there is none. */
function versionOf({ version }: Pick<ConfigSource, 'version'>): string {
  return version === undefined ? '' : ` version ${version}`;
}
