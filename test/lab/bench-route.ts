// `npm run bench:route`: which traffic works under berth and under the layouts of others, from every peer position to every
// local address; and how long berth takes to set, verify, repair and remove its own. `--runs N`: of each time, 20 by default.
import { parseArgs } from 'node:util';
import { tableLines } from './bench-statistics.ts';
import { hasProgram } from './environment.ts';
import { during, heading, say } from './progress.ts';
import { createGround, type Placement } from './route-ground.ts';
import { berthLayout, otherLayouts, type Layout } from './route-layouts.ts';
import { add, probeAll, probePublished, type Scores } from './route-matrix.ts';
import { printTimes } from './route-times.ts';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '20' }, quick: { type: 'boolean', default: false } },
});

const ping = hasProgram('ping');
const nft = hasProgram('nft');
const rpFilters = values.quick ? ['1'] : ['0', '1', '2'];
const placements: readonly Placement[] = ['same', 'other'];

type Row = { readonly name: string; readonly scores: Scores; readonly drops: number };

/** Under each reverse path filter that a host may have. */
async function play(layout: Layout, placement: Placement, count: number): Promise<Row> {
  const scores: Scores = new Map();
  let drops = 0;
  for (const rpFilter of rpFilters) {
    await using ground = await createGround(placement, count);
    await ground.setRpFilter(rpFilter);
    await layout.apply(ground);
    await ground.serve();
    add(scores, await probeAll(ground, { ping }));
    drops += await ground.vpc.wrongSourceDrops();
    if (nft && count === 1) add(scores, await probePublished(ground));
  }
  return { name: `${layout.name}, ${count} ENI${count > 1 ? 's' : ''}`, scores, drops };
}

function cells(scores: Scores): readonly string[] {
  return Object.keys(columns).map((column) => {
    const score = scores.get(column);
    if (score === undefined) return '-';
    return score.ok === score.of ? `all ${score.of}` : `${score.ok} of ${score.of}`;
  });
}

/** What is counted, and what it is called. */
const columns = {
  'ENI, v4': 'ENI, v4',
  'ENI, v6': 'ENI, v6',
  'primary, v4': 'primary, v4',
  'primary, v6': 'primary, v6',
  'published ENI': 'ENI, DNAT',
  'published primary': 'primary, DNAT',
  any: 'ENI, UDP on ::',
} as const;

const missing = [
  ...(ping ? [] : ['ping (iputils-ping)']),
  ...(nft ? [] : ['published ports (nftables)']),
];
if (missing.length > 0) say(`skipped, not installed: ${missing.join(', ')}`);
const bad: string[] = [];
for (const placement of placements) {
  const where = placement === 'same' ? "the primary's subnet" : 'another subnet';
  heading(
    `ENIs in ${where}; peers in that of the primary, of the ENI and a third; rp_filter ${rpFilters.join(', ')}`,
  );
  const rows: Row[] = [];
  const counts = values.quick ? [1] : [1, 2, 3];
  for (const count of counts) {
    rows.push(await during(`berth, ${count}`, play(berthLayout(), placement, count)));
  }
  if (nft) rows.push(await during('connmark', play(berthLayout(0x3f00), placement, 1)));
  for (const layout of otherLayouts)
    rows.push(await during(layout.name, play(layout, placement, 1)));
  const table = [
    ['', ...Object.values(columns), 'dropped'],
    ...rows.map(({ name, scores, drops }) => [name, ...cells(scores), String(drops)]),
  ];
  say('');
  for (const line of tableLines(table)) say(`   ${line}`);
  for (const { name, scores } of rows.filter(({ name }) => name.startsWith('berth'))) {
    for (const [key, { ok, of }] of scores) {
      const isMarked = key.startsWith('published') && !name.includes('connmark');
      if (ok !== of && key !== 'any' && !isMarked) bad.push(`${name}: ${key}: ${ok} of ${of}`);
    }
  }
}
say('');
say(
  '   Answered, of TCP, UDP and ping from three peers to each address, sums of all rp_filter. DNAT: a port of',
);
say(
  '   the host that is forwarded to a container. UDP on ::, or 0.0.0.0: such a server answers from the primary,',
);
say('   whatever is set. dropped: by the VPC, since the source was not one of the ENI it left by.');
await printTimes(Number(values.runs));
for (const line of bad) say(`failed: ${line}`);
process.exitCode = bad.length === 0 ? 0 : 1;
