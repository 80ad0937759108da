// Holds single values and JSON trees against the shapes of an API model.
import type { ApiMember, ApiOperation, ApiShape } from './api-models.ts';

/** Says what is wrong, and where: `AttachNetworkInterface.DeviceIndex`. */
export type Complain = (path: string, what: string) => void;

export type ShapeReader = {
  readonly operation: ApiOperation;
  readonly complain: Complain;
};

export function shapeOf({ operation }: ShapeReader, name: string): ApiShape {
  return operation.shapes[name]!;
}

/** Length, pattern and values of a string. A pattern of the models means the whole string. */
export function checkText(reader: ShapeReader, path: string, shape: ApiShape, text: string): void {
  checkSize(reader, path, shape, lengthOf(text), 'characters');
  if (shape.pattern !== undefined && !wholeOf(shape.pattern).test(text)) {
    reader.complain(path, `${short(text)} is not of the pattern ${shape.pattern}`);
  }
  if (shape.enum !== undefined && !shape.enum.includes(text)) {
    reader.complain(path, `${short(text)} is none of ${short(shape.enum.join(', '))}`);
  }
}

const wholeNumbers = ['integer', 'long'];

export function checkNumber(
  reader: ShapeReader,
  path: string,
  shape: ApiShape,
  value: number,
): void {
  if (wholeNumbers.includes(shape.type) && !Number.isInteger(value)) {
    reader.complain(path, `${value} is no ${shape.type}`);
  }
  if (shape.type === 'integer' && (value < -(2 ** 31) || value >= 2 ** 31)) {
    reader.complain(path, `${value} is no 32-bit integer`);
  }
  checkSize(reader, path, shape, value, undefined);
}

export function checkSize(
  reader: ShapeReader,
  path: string,
  { min, max }: ApiShape,
  size: number,
  unit: 'characters' | 'entries' | 'bytes' | undefined,
): void {
  const said = unit === undefined ? String(size) : `${size} ${unit}`;
  if (min !== undefined && size < min) reader.complain(path, `${said}: less than ${min}`);
  if (max !== undefined && size > max) reader.complain(path, `${said}: more than ${max}`);
}

export function checkRequired(
  reader: ShapeReader,
  path: string,
  shape: ApiShape,
  has: (name: string) => boolean,
): void {
  for (const name of shape.required ?? []) {
    if (!has(name)) reader.complain(`${path}.${name}`, 'is required and missing');
  }
}

/** A value of the JSON protocol. */
export function checkJson(reader: ShapeReader, path: string, name: string, value: unknown): void {
  const shape = shapeOf(reader, name);
  const wrong = (): void =>
    reader.complain(path, `${short(JSON.stringify(value))} is no ${shape.type}`);
  switch (shape.type) {
    case 'string':
      if (typeof value === 'string') checkText(reader, path, shape, value);
      else wrong();
      break;
    case 'blob':
      if (typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
        checkSize(reader, path, shape, Buffer.from(value, 'base64').length, 'bytes');
      } else wrong();
      break;
    case 'boolean':
      if (typeof value !== 'boolean') wrong();
      break;
    // Seconds since 1970, with a fraction.
    case 'timestamp':
    case 'integer':
    case 'long':
    case 'float':
    case 'double':
      if (typeof value === 'number') checkNumber(reader, path, shape, value);
      else wrong();
      break;
    case 'list':
      if (!Array.isArray(value)) wrong();
      else {
        checkSize(reader, path, shape, value.length, 'entries');
        for (const [index, item] of value.entries()) {
          checkJson(reader, `${path}[${index}]`, shape.member!.shape, item);
        }
      }
      break;
    case 'map':
      if (!isObject(value)) wrong();
      else {
        checkSize(reader, path, shape, Object.keys(value).length, 'entries');
        for (const [key, item] of Object.entries(value)) {
          checkText(reader, `${path} key`, shapeOf(reader, shape.key!.shape), key);
          checkJson(reader, `${path}.${key}`, shape.value!.shape, item);
        }
      }
      break;
    case 'structure':
      if (isObject(value)) checkObject(reader, path, shape, value);
      else wrong();
      break;
    default:
      reader.complain(path, `the judge does not know the type ${shape.type}`);
  }
}

function checkObject(
  reader: ShapeReader,
  path: string,
  shape: ApiShape,
  value: Readonly<Record<string, unknown>>,
): void {
  const members = membersOnWire(shape);
  const names = Object.keys(value);
  for (const name of names) {
    const member = members.get(name);
    if (member === undefined) reader.complain(`${path}.${name}`, 'is not in the model');
    else checkJson(reader, `${path}.${name}`, member.is.shape, value[name]);
  }
  checkRequired(reader, path, shape, (name) => names.includes(name));
  if (shape.union === true && names.length !== 1) {
    reader.complain(path, `a union has one member, not ${names.length}`);
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type WireMember = { readonly name: string; readonly is: ApiMember };
const onWire = new WeakMap<ApiShape, ReadonlyMap<string, WireMember>>();

/** The members of a structure by the names that they have in answers, and in JSON. */
export function membersOnWire(shape: ApiShape): ReadonlyMap<string, WireMember> {
  const known = onWire.get(shape);
  if (known !== undefined) return known;
  const members = new Map(
    Object.entries(shape.members ?? {}).map(([name, is]) => [
      is.locationName ?? name,
      { name, is },
    ]),
  );
  onWire.set(shape, members);
  return members;
}

/** As the models count: a pair of surrogates is one. */
function lengthOf(text: string): number {
  return /[\uD800-\uDFFF]/.test(text) ? Array.from(text).length : text.length;
}

const patterns = new Map<string, RegExp>();

/** The patterns are Java's: what JavaScript writes otherwise is a flag in front. */
function wholeOf(pattern: string): RegExp {
  const known = patterns.get(pattern) ?? compile(pattern);
  patterns.set(pattern, known);
  return known;
}

function compile(pattern: string): RegExp {
  const insensitive = pattern.startsWith('(?i)');
  const source = `^(?:${insensitive ? pattern.slice(4) : pattern})$`;
  const flags = insensitive ? 'i' : '';
  try {
    return new RegExp(source, `u${flags}`);
  } catch {
    // Such as `[\w-_]`, which the stricter grammar of `u` refuses.
    return new RegExp(source, flags);
  }
}

export function short(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}
