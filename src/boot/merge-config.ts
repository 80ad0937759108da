// Puts a configuration together out of several parameters and trees of parameters. Pure.
//
// A tree of parameters is a tree of configuration: /berth/web/pools/0/name below /berth/web/ is pools[0].name. Later
// sources win: objects are merged key by key, everything else is replaced, lists too.
import { BerthError } from '../errors.ts';
import { shortestSecret } from '../secrets.ts';
import { jsonErrorPosition } from './json-position.ts';
import type { Parameter } from './parameter-store.ts';
import { secretPlace, textPlace } from './text-places.ts';

/** A parameter, and its place below the path that was asked for: `pools/0/name`. */
export type Leaf = { readonly path: string; readonly parameter: Parameter };

type Tree = Readonly<Record<string, unknown>>;

/** What one parameter holds. Throws `config-invalid` without a piece of the value, which may be a secret. */
export function valueOf(name: string, value: string): unknown {
  const text = value.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const { line, column } = jsonErrorPosition(text);
    throw new BerthError(
      'config-invalid',
      `cannot use the parameter ${name}: line ${line}, column ${column}: this is not JSON from here on`,
    );
  }
}

/**
 * Of a parameter below a tree: JSON that is an object, a list, a number, true, false or a quoted text is that; everything else is the text
 * itself. `"7"` with the quotes is a text.
 */
export function leafOf(value: string | readonly string[]): unknown {
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if (!/^(["[{]|-?\d|true$|false$)/.test(text)) return value;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return value;
  }
}

/** A folder of parameters, or what one of them holds. */
type Node = Map<string, Node> | { readonly value: unknown };

/** Throws `config-invalid` where a parameter stands both for a value and for a folder. */
export function treeOf(root: string, leaves: readonly Leaf[]): unknown {
  const top: Node = new Map();
  for (const leaf of leaves) {
    const keys = leaf.path.split('/');
    const last = keys.pop()!;
    let at = top;
    for (const key of keys) {
      const next = at.get(key) ?? new Map<string, Node>();
      if (!(next instanceof Map)) throw clash(root, leaf.path);
      at.set(key, next);
      at = next;
    }
    if (at.has(last)) throw clash(root, leaf.path);
    const { value, isList } = leaf.parameter;
    const isText = textPlace.test(keyOf(leaf.path));
    const held = isText ? value : leafOf(isList ? value.split(',') : value);
    if (leaf.parameter.isSecret) checkSecret(root, leaf, held);
    at.set(last, { value: held });
  }
  return plain(top);
}

/** `files/0/content` -> `files[0].content` */
function keyOf(path: string): string {
  return path.replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.');
}

/** A piece of JSON may hold all kinds of keys; a single value that was encrypted is a secret. */
function checkSecret(root: string, { path }: Leaf, held: unknown): void {
  if (typeof held === 'object' && held !== null) return;
  if (!secretPlace.test(keyOf(path))) {
    throw new BerthError(
      'config-invalid',
      `cannot use the parameter ${root}${path}: it is a SecureString, and a secret can stand in hooks.environment and files[].content alone; make it a String`,
    );
  }
  if (String(held).length < shortestSecret) {
    throw new BerthError(
      'config-invalid',
      `cannot use the parameter ${root}${path}: it is a SecureString of fewer than ${shortestSecret} characters, which cannot be kept out of texts`,
    );
  }
}

function clash(root: string, path: string): BerthError {
  return new BerthError(
    'config-invalid',
    `cannot use the parameters below ${root}: ${path} is a value and a folder at once`,
  );
}

/** What has the keys 0, 1, 2, ... is a list. */
function plain(node: Node): unknown {
  if (!(node instanceof Map)) return node.value;
  const isList =
    node.size > 0 && Array.from(node.keys(), (_, i) => node.has(String(i))).every(Boolean);
  if (isList) return Array.from(node.keys(), (_, i) => plain(node.get(String(i))!));
  return Object.fromEntries(Array.from(node, ([key, inner]) => [key, plain(inner)]));
}

/** Later ones win. */
export function mergeValues(values: readonly unknown[]): unknown {
  return values.reduce((before, after) => mergeTwo(before, after));
}

function mergeTwo(before: unknown, after: unknown): unknown {
  if (!isTree(before) || !isTree(after)) return after;
  // By entries: an assignment to the key __proto__ would be something else.
  return Object.fromEntries([
    ...Object.entries(before),
    ...Object.entries(after).map(([key, value]) => [
      key,
      Object.hasOwn(before, key) ? mergeTwo(before[key], value) : value,
    ]),
  ]);
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
