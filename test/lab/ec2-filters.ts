// Filters and pages of Describe calls: values are alternatives, filters must all hold, `*` and `?` are wildcards.
import { createHash } from 'node:crypto';
import { faults } from './ec2-faults.ts';
import type { Ec2Input } from './ec2-input.ts';
import type { Tags } from './ec2-world.ts';

/** What each filter of a call compares with; several values: any of them may match. */
export type FilterFields<T> = Readonly<Record<string, (item: T) => readonly string[]>>;

const most = { filters: 50, values: 200 };

/** Throws AwsFault, for an unknown filter too. */
export function filterItems<T>(
  input: Ec2Input,
  items: readonly T[],
  fields: FilterFields<T>,
  tagsOf: ((item: T) => Tags) | undefined,
): readonly T[] {
  const filters = input.nestedList('Filter').map((filter) => {
    const name = filter.required('Name');
    return { valuesOf: valuesOf(name, fields, tagsOf), patterns: filter.texts('Value').map(wild) };
  });
  const values = filters.reduce((sum, { patterns }) => sum + patterns.length, 0);
  if (filters.length > most.filters || values > most.values) throw faults.filterLimit();
  return items.filter((item) =>
    filters.every(({ valuesOf, patterns }) =>
      valuesOf(item).some((value) => patterns.some((pattern) => pattern.test(value))),
    ),
  );
}

function valuesOf<T>(
  name: string,
  fields: FilterFields<T>,
  tagsOf: ((item: T) => Tags) | undefined,
): (item: T) => readonly string[] {
  if (tagsOf !== undefined && name === 'tag-key') return (item) => Object.keys(tagsOf(item));
  if (tagsOf !== undefined && name.startsWith('tag:')) {
    const key = name.slice('tag:'.length);
    return (item) => {
      const tags = tagsOf(item);
      return Object.hasOwn(tags, key) ? [tags[key]!] : [];
    };
  }
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (field === undefined) throw faults.unknownFilter(name);
  return field;
}

/** `*`: any characters, `?`: one, `\` takes the meaning from the next. */
export function wild(pattern: string): RegExp {
  const source = pattern.replaceAll(/\\[\s\S]|[\s\S]/g, (part) => {
    if (part === '*') return '[\\s\\S]*';
    if (part === '?') return '[\\s\\S]';
    return part.slice(-1).replace(/[$()*+.?[\\\]^{|}]/, '\\$&');
  });
  return new RegExp(`^${source}$`);
}

export type Page<T> = { readonly items: readonly T[]; readonly nextToken: string | undefined };

/** In the order of their keys, which makes a page hold while items come and go. Throws AwsFault. */
export function pageOf<T>(
  input: Ec2Input,
  items: readonly T[],
  keyOf: (item: T) => string,
  mostResults = 1000,
): Page<T> {
  const asked = input.integer('MaxResults');
  if (asked !== undefined && (asked < 5 || asked > mostResults)) {
    throw faults.maxResults(String(asked), mostResults);
  }
  const token = input.text('NextToken');
  const request = requestOf(input);
  const after = token === undefined ? undefined : readToken(token, request);
  const rest = items
    .toSorted((a, b) => compare(keyOf(a), keyOf(b)))
    .filter((item) => after === undefined || compare(keyOf(item), after) > 0);
  const page = rest.slice(0, asked ?? mostResults);
  const last = page.at(-1);
  return {
    items: page,
    nextToken:
      last === undefined || page.length === rest.length
        ? undefined
        : Buffer.from(`after ${request} ${keyOf(last)}`).toString('base64url'),
  };
}

/** A token of another request is none of this one. */
function readToken(token: string, request: string): string {
  const [word, of, ...key] = Buffer.from(token, 'base64url').toString().split(' ');
  if (word !== 'after' || of === undefined) throw faults.nextToken();
  if (of !== request) throw faults.paginationToken();
  return key.join(' ');
}

/** What the filters ask for, in short. */
function requestOf(input: Ec2Input): string {
  const filters = input
    .nestedList('Filter')
    .map((filter) => [filter.required('Name'), filter.texts('Value')]);
  return createHash('sha256').update(JSON.stringify(filters)).digest('hex').slice(0, 8);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
