// What is different between two configurations, a line for each value: for people. Pure.
import { isDeepStrictEqual } from 'node:util';
import { maskSecrets } from '../secrets.ts';
import { secretPlace } from './text-places.ts';

const hasSecrets = /^(hooks(\.environment)?|files(\[\d+\])?)$/;
const mask = '***';
const longest = 200;

/** `logs.force_flush_interval: 5 -> 1`; what is only in one of them was, or is, `(nothing)`. */
export function diffConfig(before: unknown, after: unknown): readonly string[] {
  return differences(before, after, '');
}

function differences(before: unknown, after: unknown, path: string): readonly string[] {
  if (isDeepStrictEqual(before, after)) return [];
  const [old, young] = [entriesOf(before), entriesOf(after)];
  const isBoth = old !== undefined && young !== undefined;
  if (isBoth && Array.isArray(before) === Array.isArray(after)) {
    const keys = new Set([...old.keys(), ...young.keys()]);
    return [...keys].flatMap((key) =>
      differences(old.get(key), young.get(key), pathOf(path, key, Array.isArray(before))),
    );
  }
  // What came or went as a whole may have secrets in it.
  const isAlone = (before === undefined) !== (after === undefined);
  if (isAlone && hasSecrets.test(path)) {
    const nothing = Array.isArray(before ?? after) ? [] : {};
    return differences(before ?? nothing, after ?? nothing, path);
  }
  return [`${path}: ${shown(before, path)} -> ${shown(after, path)}`];
}

function entriesOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined;
}

function pathOf(path: string, key: string, isList: boolean): string {
  if (isList) return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

function shown(value: unknown, path: string): string {
  if (value === undefined) return '(nothing)';
  if (secretPlace.test(path)) return mask;
  const text = maskSecrets(JSON.stringify(value));
  return text.length > longest ? `${text.slice(0, longest)}...` : text;
}
