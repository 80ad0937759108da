// One text with the licences of all that a package carries: berth's own, Node's with its parts, each bundled npm package's. Pure.
import type { Bundled } from './bundle.ts';

const rule = `\n\n${'='.repeat(78)}\n\n`;

export type LicenceInput = {
  /** LICENSE of this project: the text of Apache-2.0. */
  readonly own: string;
  readonly node: { readonly version: string; readonly licence: string };
  readonly bundled: readonly Bundled[];
};

/** Throws for a package whose licence is neither shipped with it nor known here. */
export function licenceTexts({ own, node, bundled }: LicenceInput): string {
  const sections = new Map<string, string[]>();
  for (const { name, version, licence, texts } of bundled) {
    if (texts.length === 0 && licence !== 'Apache-2.0')
      throw new Error(`cannot find the text of ${licence}, the licence of ${name}`);
    const text = texts.length === 0 ? own : texts.join('\n');
    const names = sections.get(text) ?? [];
    sections.set(text, [...names, `${name} ${version} (${licence})`]);
  }
  return [
    `berth is under the Apache License 2.0. It carries Node.js ${node.version} and parts of npm packages, under their licences:\n\nberth\n\n${own}`,
    `Node.js ${node.version}\n\n${node.licence}`,
    ...[...sections].map(([text, names]) => `${names.join('\n')}\n\n${text}`),
  ].join(rule);
}

/** SPDX expression of all of them. */
export function licenceExpression(bundled: readonly Bundled[]): string {
  const ids = new Set(['Apache-2.0', 'MIT', ...bundled.map(({ licence }) => licence)]);
  return [...ids].toSorted().join(' AND ');
}
