// The bill of materials (CycloneDX): npm's own, of what is in the package, without what differs from run to run.
import { join } from 'node:path';
import type { Bundled } from './bundle.ts';
import { runProgram } from './run-program.ts';
import type { Arch } from './runtime.ts';

const project = join(import.meta.dirname, '..');

type Component = { readonly 'bom-ref': string; readonly name: string; readonly version: string };
type Dependency = { readonly ref: string; readonly dependsOn: readonly string[] };
type Bom = {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
};

/** Of the whole lockfile: `sbomOf` takes what is in one package. npm's --omit=dev forgets what development shares with berth. */
export async function npmSbom(): Promise<Bom> {
  const format = ['--sbom-format=cyclonedx', '--sbom-type=application'];
  const args = ['sbom', ...format, '--package-lock-only', '--loglevel=error'];
  return JSON.parse(await runProgram('npm', args, { cwd: project })) as Bom;
}

/** Pure. Throws for a bundled package that npm does not know. */
export function sbomOf(
  bom: Bom,
  input: {
    readonly bundled: readonly Bundled[];
    readonly arch: Arch;
    readonly epochSeconds: number;
  },
): string {
  const { bundled, arch, epochSeconds } = input;
  const wanted = new Set(bundled.map(keyOf));
  const components = bom.components
    .filter((one) => wanted.delete(keyOf(one)) || one.name === arch.npmPackage)
    // Scanners know Node by this name, not by that of the npm package.
    .map((one) => (one.name === arch.npmPackage ? { ...one, cpe: nodeCpe(one.version) } : one));
  if (wanted.size > 0)
    throw new Error(`cannot find in npm's bill of materials: ${[...wanted].join(', ')}`);
  const { component } = bom.metadata;
  const present = new Set([component, ...components].map((one) => one['bom-ref']));
  const dependencies = bom.dependencies
    .filter(({ ref }) => present.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((on) => present.has(on)) }));
  const made = {
    ...bom,
    // A number and npm's version would be others on another machine.
    serialNumber: undefined,
    metadata: {
      timestamp: new Date(epochSeconds * 1000).toISOString(),
      // npm takes the name of the folder.
      component: { ...component, name: 'berth' },
    },
    components,
    dependencies,
  };
  return `${JSON.stringify(made, undefined, 2)}\n`;
}

function nodeCpe(version: string): string {
  return `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`;
}

function keyOf({ name, version }: { readonly name: string; readonly version: string }): string {
  return `${name}@${version}`;
}
