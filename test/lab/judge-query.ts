// Holds the parameters of a call of a Query service, as sent, against its model: names, numbering of lists, types, limits.
import {
  checkNumber,
  checkRequired,
  checkSize,
  checkText,
  shapeOf,
  short,
  type ShapeReader,
} from './judge-value.ts';

const ec2Version = '2016-11-15';

/** Names and values without what the parent has read of the name. */
type Parameters = ReadonlyMap<string, string>;

/** Every parameter but Action and Version. A name that comes twice is a complaint. */
export function readParameters(
  reader: Pick<ShapeReader, 'complain'>,
  body: string,
): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of body.split('&')) {
    const [name = '', value = ''] = pair.split('=', 2).map(decode);
    if (parameters.has(name)) reader.complain(name, 'comes twice');
    parameters.set(name, value);
  }
  return parameters;
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

export function checkParameters(
  reader: ShapeReader,
  path: string,
  name: string,
  parameters: Parameters,
): void {
  const shape = shapeOf(reader, name);
  /** The others write names as their models do, and `member` in front of the numbers of a list. */
  const isEc2 = reader.operation.apiVersion === ec2Version;
  if (shape.type === 'structure') {
    const sent = new Set<string>();
    const groups = grouped(parameters);
    for (const [member, { shape: inner, queryName, locationName }] of Object.entries(
      shape.members ?? {},
    )) {
      const wire =
        queryName ?? (isEc2 ? capital(locationName ?? member) : (locationName ?? member));
      const group = groups.get(wire);
      groups.delete(wire);
      if (group === undefined) continue;
      sent.add(member);
      checkParameters(reader, `${path}.${wire}`, inner, group);
    }
    for (const unknown of groups.keys()) {
      reader.complain(unknown === '' ? path : `${path}.${unknown}`, 'is not in the model');
    }
    checkRequired(reader, path, shape, (member) => sent.has(member));
  } else if (shape.type === 'list') {
    const whole = grouped(parameters);
    const groups = isEc2 ? whole : grouped(whole.get('member') ?? new Map());
    if (!isEc2 && [...whole.keys()].join() !== 'member') {
      reader.complain(path, `a list has member, not ${short([...whole.keys()].join(', '))}`);
    }
    const numbers = [...groups.keys()];
    const expected = numbers.map((_, index) => String(index + 1));
    if (numbers.toSorted((a, b) => Number(a) - Number(b)).join() !== expected.join()) {
      reader.complain(path, `a list is numbered 1, 2, ..., not ${short(numbers.join(', '))}`);
    }
    checkSize(reader, path, shape, numbers.length, 'entries');
    for (const [number, group] of groups) {
      checkParameters(reader, `${path}.${number}`, shape.member!.shape, group);
    }
  } else {
    const value = parameters.get('');
    if (value === undefined || parameters.size > 1) reader.complain(path, `is no ${shape.type}`);
    if (value !== undefined) checkScalar(reader, path, name, value);
  }
}

const forms: Readonly<Record<string, RegExp>> = {
  integer: /^-?\d+$/,
  long: /^-?\d+$/,
  float: /^-?\d+(\.\d+)?([eE]-?\d+)?$/,
  double: /^-?\d+(\.\d+)?([eE]-?\d+)?$/,
  boolean: /^(true|false)$/,
  timestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/,
  blob: /^[A-Za-z0-9+/\s]*={0,2}\s*$/,
};

/** Text on the wire, in either direction. */
export function checkScalar(reader: ShapeReader, path: string, name: string, text: string): void {
  const shape = shapeOf(reader, name);
  const form = forms[shape.type];
  if (shape.type === 'string') checkText(reader, path, shape, text);
  else if (form?.test(text) !== true) reader.complain(path, `${short(text)} is no ${shape.type}`);
  else if (['integer', 'long', 'float', 'double'].includes(shape.type)) {
    checkNumber(reader, path, shape, Number(text));
  }
}

/** By the first part of the name: `Filter.1.Name` is in `Filter` as `1.Name`, and `DryRun` in `DryRun` as ``. */
function grouped(parameters: Parameters): Map<string, Map<string, string>> {
  const groups = new Map<string, Map<string, string>>();
  for (const [name, value] of parameters) {
    const dot = name.indexOf('.');
    const first = dot === -1 ? name : name.slice(0, dot);
    const rest = dot === -1 ? '' : name.slice(dot + 1);
    const group = groups.get(first) ?? new Map<string, string>();
    groups.set(first, group.set(rest, value));
  }
  return groups;
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
