// The status for people: aligned, in colour on a terminal. Pure.
import type { Status } from '../model.ts';

const colours = { green: 32, yellow: 33, red: 31, dim: 2 } as const;

export function renderStatus(status: Status, inColour: boolean): string {
  const paint = (colour: keyof typeof colours, text: string): string =>
    inColour ? `\u001B[${colours[colour]}m${text}\u001B[0m` : text;
  const { eni, config, logs } = status;
  const state = status.ready ? paint('green', 'ready') : paint(stateColour(status), status.phase);
  const rows: (readonly [string, string | undefined])[] = [
    ['state', `${state}  ${status.message}`],
    ['since', status.ready ? readySince(status) : `started ${status.startedAt}`],
    ['instance', status.instanceId],
    ['config', config === undefined ? undefined : describeConfig(config)],
    ['pool', status.pool],
    [
      'ENI',
      eni === undefined ? undefined : [eni.eniId, eni.mac, eni.device].filter(Boolean).join('  '),
    ],
    ['addresses', eni === undefined ? undefined : [...eni.ipv4, ...eni.ipv6].join(' ')],
    ['routing', eni?.table === undefined ? undefined : `table ${eni.table}`],
    ['logs', logs === undefined ? undefined : describeLogs(logs)],
    ['log error', logs?.lastError === undefined ? undefined : paint('red', logs.lastError)],
    ['berth', `${status.version}, process ${status.pid}`],
  ];
  const shown = rows.filter((row): row is readonly [string, string] => Boolean(row[1]));
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${value}`).join('\n');
}

function stateColour({ phase }: Status): 'red' | 'yellow' {
  return phase === 'failed' || phase === 'lost' ? 'red' : 'yellow';
}

function readySince({ readyAt, readyAfterMs }: Status): string {
  return `${readyAt}, ${readyAfterMs} ms after the start of the process`;
}

function describeConfig({ name, version, lastKnownGood }: NonNullable<Status['config']>): string {
  return [
    name,
    version === undefined ? undefined : `version ${version}`,
    lastKnownGood ? '(last good copy: Parameter Store did not answer)' : undefined,
  ]
    .filter(Boolean)
    .join(' ');
}

function describeLogs(logs: NonNullable<Status['logs']>): string {
  return `${logs.files} files, ${logs.eventsSent} events sent, ${logs.eventsRefused} refused, ${logs.bytesBehind} bytes behind`;
}
