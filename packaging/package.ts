// `npm run package`: .deb and .rpm for both architectures, out of this checkout, the same bytes each time.
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildBundle } from './bundle.ts';
import { writeCode } from './code.ts';
import { contentsOf } from './contents.ts';
import { buildDeb } from './deb.ts';
import { licenceExpression } from './licences.ts';
import { buildRpm } from './rpm.ts';
import { runProgram } from './run-program.ts';
import { arches, commandOf, fetchRuntime, readLockfile } from './runtime.ts';
import { writeTexts } from './texts.ts';

const project = join(import.meta.dirname, '..');

const builders = { deb: buildDeb, rpm: buildRpm };

export type ArchName = keyof typeof arches;
export type Format = keyof typeof builders;

export type BuildInput = {
  readonly arches: readonly ArchName[];
  readonly formats: readonly Format[];
  /** Packages go into its `packages`. */
  readonly folder: string;
  readonly epochSeconds: number;
};

/** Resolves with the paths of the packages. */
export async function buildPackages(input: BuildInput): Promise<readonly string[]> {
  const { folder, epochSeconds } = input;
  const out = join(folder, 'packages');
  const work = join(folder, 'work');
  const bundleFolder = join(work, 'bundle');
  await mkdir(out, { recursive: true });
  const bundle = await buildBundle(bundleFolder);
  const text = await readFile(join(project, 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { readonly version: string };
  const licence = licenceExpression(bundle.bundled);
  const { bundled } = bundle;
  const lockfile = await readLockfile();
  const built = input.arches.map(async (name) => {
    const arch = arches[name];
    const runtime = await fetchRuntime(arch, join(work, `runtime-${name}`), lockfile);
    const texts = await writeTexts({ version, epochSeconds, bundled, arch, runtime });
    const codeFolder = join(work, `code-${name}`);
    await rm(codeFolder, { recursive: true, force: true });
    writeCode({ node: commandOf(arch, runtime.node), from: bundleFolder, into: codeFolder });
    const packages: string[] = [];
    for (const format of input.formats) {
      const program = { node: runtime.node, bundleFolder, bundle, codeFolder };
      const entries = contentsOf({ format, ...program, texts });
      const made = { arch, version, licence, entries, epochSeconds, work, out };
      packages.push(await builders[format](made));
    }
    return packages;
  });
  return (await Promise.all(built)).flat();
}

/** The time of the commit, as https://reproducible-builds.org/specs/source-date-epoch/ asks. */
export async function sourceDateEpoch(): Promise<number> {
  const given = process.env['SOURCE_DATE_EPOCH'];
  const seconds =
    given ?? (await runProgram('git', ['log', '-1', '--format=%ct'], { cwd: project }));
  if (/^\d+\s*$/.test(seconds)) return Number(seconds);
  throw new Error(`cannot use SOURCE_DATE_EPOCH=${given}: seconds since 1970`);
}

if (import.meta.main) {
  const many = { type: 'string', multiple: true } as const;
  const { values } = parseArgs({ options: { arch: many, format: many } });
  const built = await buildPackages({
    arches: chosen('arch', values.arch, arches),
    formats: chosen('format', values.format, builders),
    folder: join(project, 'build'),
    epochSeconds: await sourceDateEpoch(),
  });
  for (const file of built) console.log(file);
}

/** All of them by default. */
function chosen<K extends string>(
  flag: string,
  given: readonly string[] | undefined,
  known: Readonly<Record<K, unknown>>,
): readonly K[] {
  const names = Object.keys(known) as K[];
  const unknown = given?.find((one) => !Object.hasOwn(known, one));
  if (unknown !== undefined)
    throw new Error(`cannot use --${flag} ${unknown}: ${names.join(' or ')}`);
  return names.filter((name) => given?.includes(name) ?? true);
}
