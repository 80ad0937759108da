// Which arguments a Terraform resource has, by the schema of its provider, and what a module sets that it has not.
import type { HclBlock } from './terraform.ts';

/** What can be set in a resource, or in a block of it; of its blocks those that the modules have. */
export type Arguments = {
  readonly arguments: readonly string[];
  readonly required: readonly string[];
  readonly blocks: Readonly<Record<string, Arguments>>;
};
/** `terraform providers schema -json` */
export type ProviderSchemas = {
  readonly provider_schemas: Readonly<
    Record<
      string,
      { readonly resource_schemas: Readonly<Record<string, { readonly block: SchemaBlock }>> }
    >
  >;
};
type SchemaBlock = {
  readonly attributes?: Readonly<
    Record<string, { readonly optional?: boolean; readonly required?: boolean }>
  >;
  readonly block_types?: Readonly<Record<string, { readonly block: SchemaBlock }>>;
};
/** Names of blocks keep their quotation marks. */
export const unquoted = (name: string): string => name.replaceAll('"', '');

/** Terraform's own, in every resource. */
const meta = ['for_each', 'depends_on', 'lifecycle', '__is_block__', '__comments__'];

const isBlock = (value: unknown): value is readonly HclBlock[] =>
  Array.isArray(value) && (value[0] as HclBlock | undefined)?.['__is_block__'] === true;

/** Its arguments, and its blocks with theirs; a dynamic block is one of the kind that it makes. */
function contentOf(block: HclBlock) {
  const entries = Object.entries(block).filter(([name]) => !meta.includes(name));
  const dynamic = ((block['dynamic'] ?? []) as readonly HclBlock[]).flatMap((one) =>
    Object.entries(one).map(([name, made]) => {
      const [content] = (made as { readonly content: readonly HclBlock[] }).content;
      return [unquoted(name), content!] as const;
    }),
  );
  return {
    names: entries.filter(([, value]) => !isBlock(value)).map(([name]) => unquoted(name)),
    blocks: [
      ...entries
        .filter(([name]) => name !== 'dynamic')
        .flatMap(([name, value]) =>
          isBlock(value) ? value.map((one) => [name, one] as const) : [],
        ),
      ...dynamic,
    ],
  };
}

/** What is wrong with a block, by what the provider was asked for. */
export function problemsOf(
  path: string,
  block: HclBlock,
  allowed: Arguments | undefined,
): readonly string[] {
  if (allowed === undefined) return [`${path}: the provider was not asked for it`];
  const { names, blocks } = contentOf(block);
  return [
    ...names
      .filter((name) => name !== 'dynamic' && !allowed.arguments.includes(name))
      .map((name) => `${path}: there is no argument ${name}`),
    ...allowed.required
      .filter((name) => !names.includes(name))
      .map((name) => `${path}: no ${name}`),
    ...blocks.flatMap(([name, inner]) =>
      problemsOf(`${path}.${name}`, inner, allowed.blocks[name]),
    ),
  ];
}

/** Of its blocks those that `block` has. */
export function argumentsOf(schema: SchemaBlock, block: HclBlock): Arguments {
  const attributes = Object.entries(schema.attributes ?? {});
  const blocks = contentOf(block).blocks.flatMap(([name, inner]) => {
    const type = schema.block_types?.[name];
    return type === undefined ? [] : [[name, argumentsOf(type.block, inner)] as const];
  });
  return {
    arguments: attributes
      .filter(([, { optional, required }]) => optional === true || required === true)
      .map(([name]) => name)
      .toSorted(),
    required: attributes.filter(([, { required }]) => required === true).map(([name]) => name),
    blocks: Object.fromEntries(blocks),
  };
}

export const merged = (one: Arguments, other: Arguments | undefined): Arguments => ({
  ...one,
  blocks: { ...other?.blocks, ...one.blocks },
});
