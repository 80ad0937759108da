// The chart of a boot: a bar begins and ends where its span does.
import { expect, test } from 'vitest';
import { drawBoot } from './boot-chart.ts';

const spans = [
  { name: 'process start', fromMs: 0, toMs: 100 },
  { name: 'EC2 <Describe>', fromMs: 50, toMs: 200 },
  { name: 'ready', fromMs: 200, toMs: 200 },
];

test('draws each span in proportion, an event as a mark, and the same bytes each time', () => {
  const svg = drawBoot([{ title: 'at once', spans }]);
  expect(svg).toBe(drawBoot([{ title: 'at once', spans }]));
  const bars = Array.from(svg.matchAll(/class="bar" x="([\d.]+)" y="\d+" width="([\d.]+)"/g));
  // 480 pixels for 200 ms, from 190 on.
  expect(bars.map(([, x, width]) => [Number(x), Number(width)])).toEqual([
    [190, 240],
    [310, 360],
  ]);
  expect(svg.match(/class="end"/g)).toHaveLength(1);
  expect(svg).toContain('EC2 &lt;Describe>');
  expect(svg).toContain('>at 200 ms<');
});

test('has four to ten ticks, whatever the length', () => {
  for (const toMs of [7, 43, 260, 999, 2_150]) {
    const svg = drawBoot([{ title: '', spans: [{ name: 'all', fromMs: 0, toMs }] }]);
    const ticks = svg.match(/<line /g)!.length;
    expect(ticks).toBeGreaterThanOrEqual(5);
    expect(ticks).toBeLessThanOrEqual(11);
  }
});
