// The newest section of CHANGELOG.md in the form of Debian's changelogs. Pure.
const columns = 80;

export const maintainer = 'The berth authors <berth@localhost>';

export function debianChangelog(markdown: string, version: string, epochSeconds: number): string {
  const section = /^## .*\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(markdown)?.[1] ?? '';
  const items = section.split('\n').filter((line) => line.startsWith('- '));
  const date = new Date(epochSeconds * 1000).toUTCString().replace('GMT', '+0000');
  return [
    `berth (${version}) stable; urgency=medium`,
    '',
    ...items.flatMap((item) => filled(item.slice(2))),
    '',
    ` -- ${maintainer}  ${date}`,
    '',
  ].join('\n');
}

function filled(item: string): readonly string[] {
  const lines = ['  *'];
  for (const word of item.split(' ')) {
    const last = lines.at(-1)!;
    if (last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`    ${word}`);
  }
  return lines;
}
