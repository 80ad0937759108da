// The patterns of file_path as the CloudWatch agent reads them: Go's filepath.Glob and, where there is a `**` or a brace,
// gobwas/glob (its plugins/inputs/logfile/globpath). `*` and `**` take names that begin with a dot too, and `**` may stand
// within a name: /var/log/**.log is every .log below /var/log. Unlike there, `**/` may also stand for no folder at all.
import { resolve } from 'node:path';

export type Part = {
  readonly pattern: RegExp;
  /** The one name that it stands for. */
  readonly name: string | undefined;
  /** From here on there may be any number of folders. */
  readonly isOpen: boolean;
};

export type Glob = {
  /** Where to begin: the folder in front of the first wildcard. */
  readonly root: string;
  /** What stands behind the root, folder by folder; the last is the file. */
  readonly parts: readonly Part[];
  readonly matches: (path: string) => boolean;
  /** The root, or a folder below it in which files may match, or further such folders. */
  readonly mayHold: (folder: string) => boolean;
};

/** Special in a pattern; what is not closed is text. */
const token = /\\(.)|\*\*|[*?{},]|\[[!^]?[^/\]]+\]/gsu;

export function createGlob(pattern: string): Glob {
  const segments = segmentsOf(resolve(pattern));
  const fixed = segments.findIndex(
    (one, i) => i === segments.length - 1 || nameOf(one) === undefined,
  );
  const root = `/${segments.slice(0, fixed).map(nameOf).join('/')}`;
  const parts = segments.slice(fixed).map((one): Part => ({
    pattern: compiled(sourceOf(one), one),
    name: nameOf(one),
    isOpen: one.includes('**') || /\{.*\/.*\}/s.test(one),
  }));
  const source = segments.map(sourceOf).join('/');
  const whole = compiled(`/${source.replaceAll(/(?<=^|\/)\.\*\//g, '(?:.*/)?')}`, resolve(pattern));
  const below = root === '/' ? root : `${root}/`;
  return {
    root,
    parts,
    matches: (path) => whole.test(path),
    mayHold: (folder) => {
      if (folder === root) return true;
      if (!folder.startsWith(below)) return false;
      for (const [i, name] of folder.slice(below.length).split('/').entries()) {
        if (parts[i]?.isOpen === true) return true;
        if (i >= parts.length - 1 || !parts[i]!.pattern.test(name)) return false;
      }
      return true;
    },
  };
}

/** What is no pattern, such as the class `[z-a]`, is text. */
function compiled(source: string, text: string): RegExp {
  try {
    return new RegExp(`^${source}$`, 'su');
  } catch {
    return new RegExp(`^${literal(text)}$`, 'su');
  }
}

/** At the slashes, but for those in braces. */
function segmentsOf(path: string): readonly string[] {
  if (!isBalanced(path)) return path.slice(1).split('/');
  const segments = [''];
  let depth = 0;
  for (const [text] of path.slice(1).matchAll(/\\.|[^]/gu)) {
    if (text === '{') depth++;
    if (text === '}') depth--;
    if (text === '/' && depth <= 0) segments.push('');
    else segments[segments.length - 1] += text;
  }
  return segments;
}

/** Without anything special in it. */
function nameOf(segment: string): string | undefined {
  const special = segment.replaceAll(/\\./gsu, '').match(token);
  const isPlain = special === null || special.every((one) => one === ',');
  return isPlain ? segment.replaceAll(/\\(.)/gsu, '$1') : undefined;
}

function sourceOf(segment: string): string {
  const hasGroups = isBalanced(segment);
  let source = '';
  let depth = 0;
  let from = 0;
  for (const match of segment.matchAll(token)) {
    const [text, escaped] = match;
    source += literal(segment.slice(from, match.index));
    from = match.index + text.length;
    const isBrace = hasGroups && (text === '{' || text === '}' || (text === ',' && depth > 0));
    if (escaped !== undefined) source += literal(escaped);
    else if (text === '**') source += '.*';
    else if (text === '*') source += '[^/]*';
    else if (text === '?') source += '[^/]';
    else if (text.startsWith('[')) source += classOf(text);
    else if (!isBrace) source += literal(text);
    else {
      source += text === '{' ? '(?:' : text === ',' ? '|' : ')';
      depth += text === '{' ? 1 : text === '}' ? -1 : 0;
    }
  }
  return source + literal(segment.slice(from));
}

/** Are all braces of it closed? */
function isBalanced(text: string): boolean {
  let depth = 0;
  for (const [one] of text.matchAll(token)) {
    if (one === '{') depth++;
    if (one === '}' && --depth < 0) return false;
  }
  return depth === 0;
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}

function classOf(text: string): string {
  const [, negation, members] = /^\[([!^]?)(.+)\]$/su.exec(text)!;
  const escaped = members!.replaceAll(/[\\\]^[]/g, String.raw`\$&`);
  return `(?!/)[${negation === '' ? '' : '^'}${escaped}]`;
}
