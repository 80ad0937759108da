// The calls of the lab's Parameter Store that list parameters or their versions, and the pages that they come in.
import {
  ssmFault,
  ssmInvalid,
  type FoundParameter,
  type Parameters,
  type ParameterVersion,
} from './ssm-parameters.ts';

type Input = Readonly<Record<string, unknown>>;
type Answer = Readonly<Record<string, unknown>>;

/** So many of the next pages are empty and have a NextToken all the same, as AWS may answer; counted down. */
export type PageDials = { emptyPages: number };

export type Page<T> = {
  readonly items: readonly T[];
  readonly more: { readonly NextToken?: string };
};

/** `items` in their order; `keyOf` gives what a token remembers. Throws AwsFault. */
export function pageOf<T>(
  input: Input,
  items: readonly T[],
  keyOf: (item: T) => string,
  most: number,
  dials: PageDials,
): Page<T> {
  const asked = input['MaxResults'] ?? most;
  if (typeof asked !== 'number' || asked < 1 || asked > most) {
    throw ssmInvalid(`MaxResults must have value between 1 and ${most}`);
  }
  const last = readToken(input['NextToken']);
  const start = last === '' ? 0 : items.findIndex((item) => keyOf(item) === last) + 1;
  if (last !== '' && start === 0) throw badToken();
  const isEmpty = dials.emptyPages > 0 && start < items.length;
  if (isEmpty) dials.emptyPages--;
  const page = isEmpty ? [] : items.slice(start, start + asked);
  const end = start + page.length;
  const after = end === 0 ? '' : keyOf(items[end - 1]!);
  const NextToken = Buffer.from(`after ${after}`).toString('base64url');
  return { items: page, more: end < items.length ? { NextToken } : {} };
}

/** Oldest first. Throws AwsFault. */
export function parameterHistory(
  parameters: Parameters,
  input: Input,
  dials: PageDials,
  valueOf: (found: FoundParameter) => string,
): Answer {
  const name = input['Name'];
  if (typeof name !== 'string') throw ssmInvalid('Name is missing');
  const versions = parameters.versions(name);
  const page = pageOf(input, versions, (version) => String(version.version), 50, dials);
  return {
    Parameters: page.items.map((version) => ({
      ...metadata(name, version),
      Value: valueOf({ name, version, selector: undefined }),
      // AWS has been seen to send an empty list, which its own model does not allow.
      ...(version.labels.length === 0 ? {} : { Labels: version.labels }),
    })),
    ...page.more,
  };
}

/** Without values. By name, in the order of the alphabet. Throws AwsFault. */
export function describeParameters(
  parameters: Parameters,
  input: Input,
  dials: PageDials,
  arnOf: (name: string) => string,
): Answer {
  const filters = list(input['ParameterFilters']).map(readFilter);
  const found = parameters
    .names()
    .toSorted()
    .map((name) => ({ name, version: parameters.latest(name)! }))
    .filter((item) => filters.every((matches) => matches(item)));
  const page = pageOf(input, found, ({ name }) => name, 50, dials);
  return {
    Parameters: page.items.map(({ name, version }) => ({
      ...metadata(name, version),
      ARN: arnOf(name),
    })),
    ...page.more,
  };
}

function metadata(name: string, version: ParameterVersion): Answer {
  return {
    Name: name,
    Type: version.type,
    Version: version.version,
    LastModifiedDate: version.modifiedAtMs / 1000,
    Tier: version.tier,
    Policies: [],
    DataType: 'text',
  };
}

type Item = { readonly name: string; readonly version: ParameterVersion };

const options: Readonly<Record<string, readonly string[]>> = {
  Name: ['Equals', 'BeginsWith', 'Contains'],
  Path: ['Recursive', 'OneLevel'],
  Type: ['Equals', 'BeginsWith'],
  Tier: ['Equals', 'BeginsWith'],
  DataType: ['Equals', 'BeginsWith'],
  Label: ['Equals'],
};

/** The lab's parameters have no tags and no keys of their own. */
function readFilter(filter: Input): (item: Item) => boolean {
  const key = String(filter['Key']);
  const known = Object.hasOwn(options, key) ? options[key] : undefined;
  if (known === undefined) {
    throw ssmFault('InvalidFilterKey', `The following filter key is not valid: ${key}`);
  }
  const { Option = key === 'Path' ? 'OneLevel' : 'Equals' } = filter;
  const option = known.find((each) => each === Option);
  if (option === undefined) {
    throw ssmFault('InvalidFilterOption', `The option is not valid for the key ${key}`);
  }
  const wanted = list(filter['Values']).map(String);
  if (wanted.length === 0) {
    throw ssmFault('InvalidFilterValue', `The filter ${key} has no values.`);
  }
  return (item) =>
    valuesOf(key, item).some((value) => wanted.some((text) => matches(option, value, text)));
}

function valuesOf(key: string, { name, version }: Item): readonly string[] {
  if (key === 'Name' || key === 'Path') return [name];
  if (key === 'Label') return version.labels;
  return [key === 'Type' ? version.type : key === 'Tier' ? version.tier : 'text'];
}

function matches(option: string, value: string, text: string): boolean {
  const folder = text.endsWith('/') ? text : `${text}/`;
  if (option === 'BeginsWith') return value.startsWith(text);
  if (option === 'Contains') return value.includes(text);
  if (option === 'Recursive') return value.startsWith(folder);
  if (option === 'OneLevel') {
    return value.startsWith(folder) && !value.slice(folder.length).includes('/');
  }
  return value === text;
}

function readToken(token: unknown): string {
  if (token === undefined) return '';
  const text = typeof token === 'string' ? Buffer.from(token, 'base64url').toString() : '';
  if (!text.startsWith('after ')) throw badToken();
  return text.slice('after '.length);
}

function badToken() {
  return ssmFault('InvalidNextToken', 'The specified token is not valid.');
}

function list(value: unknown): readonly Input[] {
  return Array.isArray(value) ? value : [];
}
