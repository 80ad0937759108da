// Compares the keys of a configuration with those of the schema: unknown ones, and those that berth does not do.
import * as v from 'valibot';
import { closestKey } from './closest-key.ts';
import type { ConfigIssue } from './config-schema.ts';

export type KeyReport = {
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
};

/** What this walk needs of a valibot schema. */
type Schema = v.GenericSchema & {
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly item?: Schema;
  readonly wrapped?: Schema;
};

/** valibot's own strictObject names the first unknown key only, and knows no near one. */
export function checkKeys(schema: v.GenericSchema, value: unknown): KeyReport {
  const issues: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];

  const walk = (outer: Schema, value: unknown, path: string): void => {
    const schema = outer.wrapped ?? outer;
    const { notDone, open } = v.getMetadata(schema);
    if (value === undefined) return;
    if (notDone === true) {
      warnings.push({ path, message: `${path}: accepted, not done by this version of berth` });
      return;
    }
    if (schema.item !== undefined && Array.isArray(value)) {
      for (const [i, item] of value.entries()) walk(schema.item, item, `${path}[${i}]`);
    }
    if (schema.entries === undefined || typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) {
      // valibot takes a list for an object.
      const message = `${path === '' ? 'the configuration' : path}: must be an object`;
      issues.push({ path, message });
      return;
    }
    const known = Object.keys(schema.entries);
    for (const [key, child] of Object.entries(value)) {
      const shown = key.slice(0, 64);
      const childPath = path === '' ? shown : `${path}.${shown}`;
      if (Object.hasOwn(schema.entries, key)) walk(schema.entries[key]!, child, childPath);
      else {
        const message = `unknown key ${childPath}: ${advice(key, known)}`;
        (open === true ? warnings : issues).push({ path: childPath, message });
      }
    }
  };

  walk(schema, value, '');
  return { issues, warnings };
}

function advice(key: string, known: readonly string[]): string {
  const near = closestKey(key, known);
  return near === undefined ? `known here are ${known.join(', ')}` : `did you mean ${near}?`;
}
