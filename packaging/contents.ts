// What is in a package: every file, where it goes and its mode; in .deb and .rpm alike, but for what each has its own places for.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Bundle } from './bundle.ts';
import { systemdPlace } from './systemd-places.ts';
import type { Texts } from './texts.ts';

const project = join(import.meta.dirname, '..');

export type Entry = {
  /** In the installed system, without the leading slash. */
  readonly path: string;
  readonly mode: 0o644 | 0o755;
  readonly content: { readonly file: string } | { readonly bytes: string | Buffer };
  /** An administrator edits `config`, and an upgrade keeps that. */
  readonly kind: 'plain' | 'config' | 'doc' | 'licence';
};

export type ContentsInput = {
  readonly format: 'deb' | 'rpm';
  /** The stripped Node. */
  readonly node: string;
  readonly bundleFolder: string;
  readonly bundle: Bundle;
  /** What V8 makes of the bundle, on this architecture. */
  readonly codeFolder: string;
  readonly texts: Texts;
};

export function contentsOf(input: ContentsInput): readonly Entry[] {
  const { node, bundleFolder, bundle, codeFolder, texts } = input;
  const libexec = 'usr/libexec/berth';
  const share = 'usr/share/berth';
  const documents = 'usr/share/doc/berth';
  return [
    file(`${libexec}/node`, node, 0o755),
    ...bundle.files.map((name) => file(`${libexec}/${name}`, join(bundleFolder, name))),
    ...readdirSync(codeFolder)
      .toSorted()
      .map((name) => file(`${libexec}/code/${name}`, join(codeFolder, name))),
    ours('usr/bin/berth', 'packaging/files/berth', 0o755),
    ...namesIn('systemd').map((name) => ours(systemdPlace(name), `systemd/${name}`)),
    { ...ours('etc/default/berth', 'packaging/files/default'), kind: 'config' },
    text(`${share}/config.schema.json`, texts.configSchema),
    ...namesIn('packaging')
      .filter((name) => name.endsWith('-dashboard.json'))
      .map((name) => ours(`${share}/${name}`, `packaging/${name}`)),
    ...folder(`${share}/iam`, 'packaging/iam'),
    // Not among the documents, which minimal images leave out.
    ours(`${share}/examples/config.json`, 'packaging/files/config.json'),
    ours(`${share}/examples/files.json`, 'packaging/files/files.json'),
    ...folder(`${share}/examples`, 'packaging/systemd'),
    ...folder(`${share}/examples/user-data`, 'packaging/user-data'),
    text('usr/share/man/man8/berth.8.gz', texts.manPage),
    text('usr/share/bash-completion/completions/berth', texts.completions.bash),
    text('usr/share/fish/vendor_completions.d/berth.fish', texts.completions.fish),
    ...[
      ours(`${documents}/CHANGELOG.md`, 'CHANGELOG.md'),
      ...folder(documents, 'docs'),
      text(`${documents}/sbom.cdx.json`, texts.sbom),
    ].map((entry): Entry => ({ ...entry, kind: 'doc' })),
    ...(input.format === 'deb' ? onlyDeb(documents, texts) : onlyRpm(texts)),
  ];
}

function onlyDeb(documents: string, texts: Texts): readonly Entry[] {
  return [
    text('usr/share/zsh/vendor-completions/_berth', texts.completions.zsh),
    { ...text(`${documents}/copyright`, texts.licences), kind: 'licence' },
    text(`${documents}/changelog.gz`, texts.debianChangelog),
    ours('usr/share/lintian/overrides/berth', 'packaging/deb/lintian-overrides'),
  ];
}

function onlyRpm(texts: Texts): readonly Entry[] {
  return [
    text('usr/share/zsh/site-functions/_berth', texts.completions.zsh),
    { ...text('usr/share/licenses/berth/LICENSES', texts.licences), kind: 'licence' },
  ];
}

function file(path: string, from: string, mode: Entry['mode'] = 0o644): Entry {
  return { path, mode, content: { file: from }, kind: 'plain' };
}

function text(path: string, bytes: string | Buffer): Entry {
  return { path, mode: 0o644, content: { bytes }, kind: 'plain' };
}

/** A file of this project. */
function ours(path: string, from: string, mode: Entry['mode'] = 0o644): Entry {
  return file(path, join(project, from), mode);
}

function folder(path: string, from: string): readonly Entry[] {
  return namesIn(from).map((name) => ours(`${path}/${name}`, `${from}/${name}`));
}

function namesIn(folder: string): readonly string[] {
  return readdirSync(join(project, folder)).toSorted();
}
