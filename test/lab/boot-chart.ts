// Where the milliseconds of a boot go, and what overlaps what: a bar chart as SVG, the same bytes for the same spans.

export type Span = { readonly name: string; readonly fromMs: number; readonly toMs: number };

export type Panel = { readonly title: string; readonly spans: readonly Span[] };

const width = 760;
const left = 190;
const right = 90;
const rowHeight = 22;
const barHeight = 14;
const headHeight = 46;
const gap = 18;

/** Colours that read on white and on black. */
const style = `text { font: 12px sans-serif; fill: #24292f } .title { font-weight: bold } .axis { fill: #656d76 }
line { stroke: #8c959f; stroke-opacity: 0.4 } .bar { fill: #2f81f7 } .end { fill: #2da44e }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .axis { fill: #9198a1 } }`;

/** A span without length is an event, drawn as a mark. */
export function drawBoot(panels: readonly Panel[]): string {
  const parts: string[] = [];
  let top = 8;
  for (const panel of panels) {
    parts.push(...drawPanel(panel, top));
    top += headHeight + panel.spans.length * rowHeight + gap;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}">`,
    `<style>${style}</style>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function drawPanel({ title, spans }: Panel, top: number): readonly string[] {
  const endMs = Math.max(1, ...spans.map(({ toMs }) => toMs));
  const stepMs = stepFor(endMs);
  const x = (ms: number): string => (left + (ms / endMs) * (width - left - right)).toFixed(1);
  const first = top + headHeight;
  const bottom = first + spans.length * rowHeight;
  const ticks = Array.from({ length: Math.floor(endMs / stepMs) + 1 }, (_, n) => n * stepMs);
  return [
    `<text class="title" x="8" y="${top + 14}">${escaped(title)}</text>`,
    ...ticks.flatMap((ms) => [
      `<line x1="${x(ms)}" y1="${first - 4}" x2="${x(ms)}" y2="${bottom}"/>`,
      `<text class="axis" x="${x(ms)}" y="${first - 8}" text-anchor="middle">${ms} ms</text>`,
    ]),
    ...spans.flatMap(({ name, fromMs, toMs }, row) => {
      const y = first + row * rowHeight;
      const long = (Number(x(toMs)) - Number(x(fromMs))).toFixed(1);
      const isEvent = fromMs === toMs;
      const label = isEvent ? `at ${toMs.toFixed(0)}` : (toMs - fromMs).toFixed(0);
      return [
        `<text x="8" y="${y + 12}">${escaped(name)}</text>`,
        isEvent
          ? `<rect class="end" x="${(Number(x(toMs)) - 2).toFixed(1)}" y="${y}" width="4" height="${barHeight}"/>`
          : `<rect class="bar" x="${x(fromMs)}" y="${y}" width="${Math.max(1, Number(long))}" height="${barHeight}"/>`,
        `<text x="${(Number(x(toMs)) + 6).toFixed(1)}" y="${y + 12}">${label} ms</text>`,
      ];
    }),
  ];
}

/** 1, 2 or 5 times a power of ten, so that there are 4 to 10 ticks. */
function stepFor(endMs: number): number {
  const power = 10 ** Math.floor(Math.log10(endMs / 4));
  return [5, 2, 1].map((factor) => factor * power).find((step) => endMs / step >= 4) ?? power;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
