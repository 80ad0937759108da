// A .rpm, by rpmbuild: the tree, the list of its files, and rpm/berth.spec.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Entry } from './contents.ts';
import type { PackageInput } from './package-input.ts';
import { runProgram } from './run-program.ts';
import { settle, stage } from './stage.ts';

const spec = join(import.meta.dirname, 'rpm', 'berth.spec');

const marks = { plain: '', config: '%config(noreplace) ', doc: '%doc ', licence: '%license ' };

/** What would change or describe the files: they are done. */
const asTheyAre = [
  ['debug_package', '%{nil}'],
  ['__os_install_post', '%{nil}'],
  ['_build_id_links', 'none'],
] as const;

/** The same bytes whenever and wherever. */
const reproducible = [
  ['_buildhost', 'localhost'],
  ['use_source_date_epoch_as_buildtime', '1'],
  ['clamp_mtime_to_source_date_epoch', '1'],
  ['_binary_payload', 'w6.zstdio'],
] as const;

/** Resolves with its path. */
export async function buildRpm(input: PackageInput): Promise<string> {
  const { arch, version, licence, work, out, epochSeconds, entries } = input;
  const top = join(work, `rpm-${arch.rpm}`);
  await rm(top, { recursive: true, force: true });
  const tree = join(top, 'tree');
  await stage(tree, entries);
  await settle(tree, epochSeconds);
  const files = join(top, 'files');
  await writeFile(files, fileListOf(entries));
  await mkdir(join(top, 'BUILD'));
  const name = `berth-${version}-1.${arch.rpm}.rpm`;
  const given = [
    ['_topdir', top],
    ['_rpmdir', out],
    ['_rpmfilename', name],
    ['_dbpath', join(top, 'db')],
    ['berth_version', version],
    ['berth_licence', licence],
    ['berth_tree', tree],
    ['berth_files', files],
  ] as const;
  const defines = [...given, ...asTheyAre, ...reproducible].flatMap(([macro, value]) => [
    '--define',
    `${macro} ${value}`,
  ]);
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(epochSeconds) };
  const argv = ['-bb', '--target', `${arch.rpm}-linux`, ...defines, spec];
  await runProgram('rpmbuild', argv, { env });
  return join(out, name);
}

function fileListOf(entries: readonly Entry[]): string {
  const lines = entries.map(
    ({ path, mode, kind }) => `${marks[kind]}%attr(0${mode.toString(8)},root,root) "/${path}"`,
  );
  // The folders that are ours alone.
  const own = new Set<string>();
  for (const { path } of entries) {
    for (let folder = dirname(path); /(^|\/)berth(\/|$)/.test(folder); folder = dirname(folder))
      own.add(folder);
  }
  const folders = [...own].map((folder) => `%dir %attr(0755,root,root) "/${folder}"`);
  return `${[...folders, ...lines].join('\n')}\n`;
}
