// Reads the XML of EC2 and STS strictly, and holds it against the model. Shares nothing with what writes it.
import { checkScalar } from './judge-query.ts';
import {
  checkRequired,
  checkSize,
  membersOnWire,
  shapeOf,
  type ShapeReader,
} from './judge-value.ts';

export type Element = {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Element[];
  /** Of an element without children. */
  readonly text: string;
};

const token =
  /<\?xml version="1\.0" encoding="UTF-8"\?>|<\/([\w:.-]+)\s*>|<([\w:.-]+)((?:\s+[\w:.-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/y;
const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};
// oxlint-disable-next-line no-control-regex -- What XML 1.0 forbids even as an entity.
const forbidden = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/;

/** Throws SyntaxError where it is not well-formed, or uses what EC2 does not (comments, CDATA, doctypes). */
export function readXml(text: string): Element {
  type Open = {
    name: string;
    attributes: Record<string, string>;
    children: Element[];
    text: string;
  };
  const root: Open = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  for (token.lastIndex = 0; token.lastIndex < text.length;) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw new SyntaxError(`no XML at ${at}: ${text.slice(at, at + 60)}`);
    const [, closed, opened, attributes = '', empty, content] = match;
    const parent = open.at(-1)!;
    if (content !== undefined) parent.text += unescape(content);
    else if (opened !== undefined) {
      const element: Open = {
        name: opened,
        attributes: Object.fromEntries(
          [...attributes.matchAll(/([\w:.-]+)="([^"]*)"/g)].map(([, key, value]) => [
            key!,
            unescape(value!),
          ]),
        ),
        children: [],
        text: '',
      };
      parent.children.push(element);
      if (empty === '') open.push(element);
    } else if (closed !== undefined) {
      if (open.length === 1 || parent.name !== closed) {
        throw new SyntaxError(`</${closed}> closes <${parent.name}>`);
      }
      if (parent.children.length > 0 && parent.text.trim() !== '') {
        throw new SyntaxError(`<${closed}> has both text and elements`);
      }
      open.pop();
    } else if (at !== 0) throw new SyntaxError('the XML declaration is not at the beginning');
  }
  const [only, ...more] = root.children;
  if (open.length > 1) throw new SyntaxError(`<${open.at(-1)!.name}> is not closed`);
  if (only === undefined || more.length > 0 || root.text.trim() !== '') {
    throw new SyntaxError('a document has one root element');
  }
  return only;
}

function unescape(text: string): string {
  const plain = text.replaceAll(/&([^;&\s]*);?/g, (all, name: string) => {
    const code = /^#(?:x([\da-fA-F]+)|(\d+))$/.exec(name);
    const character =
      code === null
        ? entities[name]
        : String.fromCodePoint(code[1] === undefined ? Number(code[2]) : parseInt(code[1], 16));
    if (character === undefined || !all.endsWith(';')) throw new SyntaxError(`no entity: ${all}`);
    return character;
  });
  if (forbidden.test(plain)) throw new SyntaxError('a character that XML does not allow');
  return plain;
}

export function checkElement(
  reader: ShapeReader,
  path: string,
  name: string,
  element: Element,
): void {
  const shape = shapeOf(reader, name);
  if (shape.type === 'structure') {
    if (element.text.trim() !== '') reader.complain(path, 'has text, and is a structure');
    const sent = new Set<string>();
    for (const child of element.children) {
      const where = `${path}.${child.name}`;
      const found = membersOnWire(shape).get(child.name);
      if (found === undefined) {
        reader.complain(where, 'is not in the model');
        continue;
      }
      if (sent.has(found.name)) reader.complain(where, 'comes twice');
      sent.add(found.name);
      checkElement(reader, where, found.is.shape, child);
    }
    checkRequired(reader, path, shape, (member) => sent.has(member));
  } else if (shape.type === 'list') {
    if (element.text.trim() !== '') reader.complain(path, 'has text, and is a list');
    checkSize(reader, path, shape, element.children.length, 'entries');
    const itemName = shape.member!.locationName ?? 'item';
    for (const [index, child] of element.children.entries()) {
      const where = `${path}[${index}]`;
      if (child.name !== itemName) reader.complain(where, `is <${child.name}>, not <${itemName}>`);
      checkElement(reader, where, shape.member!.shape, child);
    }
  } else if (element.children.length > 0)
    reader.complain(path, `has elements, and is a ${shape.type}`);
  else checkScalar(reader, path, name, element.text);
}
