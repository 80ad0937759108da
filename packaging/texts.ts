// What is written for a package from the source: manual, completions, schema, licences, bill of materials, changelog.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Bundled } from './bundle.ts';
import { bashCompletion, fishCompletion, zshCompletion } from './completions.ts';
import { configJsonSchema } from './config-schema.ts';
import { debianChangelog } from './debian-changelog.ts';
import { licenceTexts } from './licences.ts';
import { manPage } from './man-page.ts';
import type { Arch, Runtime } from './runtime.ts';
import { npmSbom, sbomOf } from './sbom.ts';

const project = join(import.meta.dirname, '..');

export type Texts = {
  readonly completions: Readonly<Record<'bash' | 'fish' | 'zsh', string>>;
  readonly configSchema: string;
  readonly licences: string;
  readonly sbom: string;
  /** Both as gzip has them. */
  readonly manPage: Buffer;
  readonly debianChangelog: Buffer;
};

export type TextsInput = {
  readonly version: string;
  readonly epochSeconds: number;
  readonly bundled: readonly Bundled[];
  readonly arch: Arch;
  readonly runtime: Runtime;
};

export async function writeTexts(input: TextsInput): Promise<Texts> {
  const { version, epochSeconds, bundled, arch, runtime } = input;
  const changelog = debianChangelog(await read('CHANGELOG.md'), version, epochSeconds);
  const manual = manPage(await read('packaging/files/berth.8'), epochSeconds);
  return {
    completions: { bash: bashCompletion(), fish: fishCompletion(), zsh: zshCompletion() },
    configSchema: `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`,
    licences: licenceTexts({ own: await read('LICENSE'), node: runtime, bundled }),
    sbom: sbomOf(await npmSbom(), { bundled, arch, epochSeconds }),
    manPage: compressed(manual),
    debianChangelog: compressed(changelog),
  };
}

function read(path: string): Promise<string> {
  return readFile(join(project, path), 'utf8');
}

/** zlib writes no name and no time. */
function compressed(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}
