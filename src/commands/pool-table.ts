// A pool for people: a line for each ENI, aligned, in colour on a terminal. Pure.
import type { Berth, ClaimState } from '../claim/survey.ts';

const colours: Readonly<Record<ClaimState, number>> = {
  free: 32,
  attached: 0,
  claimed: 33,
  stale: 31,
  foreign: 31,
};
const heading = ['ENI', 'ZONE', 'ADDRESS', 'MAC', 'STATE', 'HOLDER', 'SINCE', 'EPOCH'] as const;
const stateColumn = heading.indexOf('STATE');

export function renderPools(
  pools: Readonly<Record<string, readonly Berth[]>>,
  inColour: boolean,
): string {
  return Object.entries(pools)
    .map(([name, berths]) => `${summaryOf(name, berths)}\n${tableOf(berths, inColour)}`.trimEnd())
    .join('\n\n');
}

/** `pool db: 3 ENIs, 1 free, 2 attached`. */
function summaryOf(name: string, berths: readonly Berth[]): string {
  const counts = (Object.keys(colours) as ClaimState[]).flatMap((state) => {
    const count = berths.filter((berth) => berth.state === state).length;
    return count === 0 ? [] : [`${count} ${state}`];
  });
  return [`pool ${name}: ${berths.length} ENIs`, ...counts].join(', ');
}

function tableOf(berths: readonly Berth[], inColour: boolean): string {
  if (berths.length === 0) return '';
  const rows = [[...heading], ...berths.map(rowOf)];
  const widths = heading.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row, line) =>
      row
        .map((cell, column) => {
          const padded = cell.padEnd(widths[column]!);
          if (!inColour || column !== stateColumn || line === 0) return padded;
          return `\u001B[${colours[berths[line - 1]!.state]}m${padded}\u001B[0m`;
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function rowOf(berth: Berth): readonly string[] {
  const { eniId, availabilityZone, ipv4, mac, state, holder, owner, since, epoch } = berth;
  const [first = '-', ...more] = ipv4;
  const address = more.length === 0 ? first : `${first} +${more.length}`;
  const who = holder ?? (owner === undefined ? '-' : `(${owner})`);
  const isAnothers = state === 'foreign' && owner !== undefined;
  return [
    eniId,
    availabilityZone,
    address,
    mac,
    state,
    isAnothers ? `${who} (${owner})` : who,
    since === undefined ? '-' : `${since.slice(0, 19)}Z`,
    String(epoch),
  ];
}
