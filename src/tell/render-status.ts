// The status for people: aligned, in colour on a terminal. Pure.
import type { Status, StatusPool } from '../model/status.ts';

const colours = { green: 32, yellow: 33, red: 31, dim: 2 } as const;

/** `withCommands`: also what a person would have to type for the same routing. */
export function renderStatus(
  status: Status,
  { inColour, withCommands }: { readonly inColour: boolean; readonly withCommands: boolean },
): string {
  const paint: Paint = (colour, text) =>
    inColour ? `\u001B[${colours[colour]}m${text}\u001B[0m` : text;
  const { pools, config, logs, metrics } = status;
  const state = status.ready ? paint('green', 'ready') : paint(stateColour(status), status.phase);
  const rows: (readonly [string, string | undefined])[] = [
    ['state', `${state}  ${status.message}`],
    ...status.notices.map(
      ({ message, at }) =>
        ['notice', paint('yellow', at === undefined ? message : `${message} at ${at}`)] as const,
    ),
    ...status.signals.map(
      ({ to, state, message }) => [to, paint(signalColours[state], message)] as const,
    ),
    ['since', status.ready ? readySince(status) : `started ${status.startedAt}`],
    ['instance', status.instanceId],
    ['config', config === undefined ? undefined : describeConfig(config)],
    [
      'refused',
      config?.rejected === undefined ? undefined : paint('red', describeRejected(config.rejected)),
    ],
    [
      'restart for',
      config === undefined || config.restartNeeded.length === 0
        ? undefined
        : paint('yellow', config.restartNeeded.join(', ')),
    ],
    ...pools.flatMap((pool) => poolRows(pool, { paint, withCommands })),
    ...fileRows(status, paint),
    ['logs', logs === undefined ? undefined : describeLogs(logs)],
    ['log error', logs?.lastError === undefined ? undefined : paint('red', logs.lastError)],
    ['metrics', metrics === undefined ? undefined : describeMetrics(metrics)],
    [
      'metrics error',
      metrics?.lastError === undefined ? undefined : paint('red', metrics.lastError),
    ],
    ['berth', `${status.version}, process ${status.pid}`],
  ];
  const shown = rows.filter((row): row is readonly [string, string] => Boolean(row[1]));
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${value}`).join('\n');
}

const signalColours = { pending: 'yellow', told: 'green', failing: 'red', failed: 'red' } as const;

type Paint = (colour: keyof typeof colours, text: string) => string;

function poolRows(
  { pool, eni, ready, phase, message }: StatusPool,
  { paint, withCommands }: { readonly paint: Paint; readonly withCommands: boolean },
): readonly (readonly [string, string | undefined])[] {
  if (eni === undefined) return [['pool', `${pool}  ${paint('yellow', phase)}  ${message}`]];
  return [
    ['pool', ready ? pool : `${pool}  ${paint('yellow', phase)}  ${message}`],
    ['ENI', [eni.eniId, eni.mac, eni.device, `epoch ${eni.epoch}`].filter(Boolean).join('  ')],
    ['addresses', [...eni.ipv4, ...eni.ipv6].join(' ')],
    ...eni.routing.picture.map((line, n) => [n === 0 ? 'routing' : '', line] as const),
    ...(withCommands ? eni.routing.commands : []).map(
      (line, n) => [n === 0 ? 'commands' : '', line] as const,
    ),
  ];
}

/** Those that are in place in one row. */
function fileRows({ files }: Status, paint: Paint): readonly (readonly [string, string])[] {
  if (files.length === 0) return [];
  const inPlace = files.filter(({ state }) => state === 'in-place').length;
  return [
    ['files', `${inPlace} of ${files.length} in place`],
    ...files.flatMap(({ message }) =>
      message === undefined ? [] : [['file error', paint('red', message)] as const],
    ),
  ];
}

function stateColour({ phase }: Status): 'red' | 'yellow' {
  return phase === 'failed' || phase === 'lost' ? 'red' : 'yellow';
}

function readySince({ readyAt, readyAfterMs }: Status): string {
  return `${readyAt}, ${readyAfterMs} ms after the start of the process`;
}

function describeConfig(config: NonNullable<Status['config']>): string {
  const { name, version, lastKnownGood, rejected } = config;
  const why = rejected === undefined ? ': Parameter Store did not answer' : '';
  return [
    name,
    version === undefined ? undefined : `version ${version}`,
    lastKnownGood ? `(last good copy${why})` : undefined,
  ]
    .filter(Boolean)
    .join(' ');
}

type Rejected = NonNullable<NonNullable<Status['config']>['rejected']>;

function describeRejected({ version, reason }: Rejected): string {
  return version === undefined ? reason : `version ${version}: ${reason}`;
}

function describeLogs(logs: NonNullable<Status['logs']>): string {
  const dropped = logs.bytesDropped > 0 ? `, ${logs.bytesDropped} bytes dropped` : '';
  return `${logs.files} files, ${logs.eventsSent} events sent, ${logs.eventsRefused} refused, ${logs.bytesBehind} bytes behind${dropped}`;
}

function describeMetrics(metrics: NonNullable<Status['metrics']>): string {
  return `${metrics.documents} documents, ${metrics.refused} refused, ${metrics.dropped} dropped`;
}
