// Where a text stops being JSON: the parser of the engine does not always say it, and quotes the text.

export type Position = { readonly line: number; readonly column: number };

/** Line and column, from 1, of the first character that cannot be. Call it for text that JSON.parse refuses. */
export function jsonErrorPosition(text: string): Position {
  const offset = errorOffset(text);
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

const space = /[ \t\n\r]*/y;
/** The first class is everything but control characters, `"` and `\`. */
const string = /"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/uy;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** Without recursion: a text may be nested as deep as it is long. */
function errorOffset(text: string): number {
  let at = 0;
  /** Closing brackets that are still to come, the innermost last. */
  const open: ('}' | ']')[] = [];
  const take = (form: RegExp): boolean => {
    form.lastIndex = at;
    if (!form.test(text)) return false;
    at = form.lastIndex;
    return true;
  };
  const takeCharacter = (character: string): boolean => {
    take(space);
    if (text[at] !== character) return false;
    at++;
    return true;
  };
  const takeKey = (): boolean => {
    take(space);
    return take(string) && takeCharacter(':');
  };

  for (;;) {
    // A value is due.
    take(space);
    let ended = true;
    if (takeCharacter('{')) {
      if (!takeCharacter('}')) {
        open.push('}');
        ended = false;
        if (!takeKey()) return at;
      }
    } else if (takeCharacter('[')) {
      if (!takeCharacter(']')) {
        open.push(']');
        ended = false;
      }
    } else if (!take(string) && !take(scalar)) return at;
    // A value has ended: what may follow is a comma or the end of what it is in.
    while (ended) {
      take(space);
      const close = open.at(-1);
      if (close === undefined) return at;
      if (takeCharacter(close)) open.pop();
      else if (!takeCharacter(',')) return at;
      else if (close === '}' && !takeKey()) return at;
      else ended = false;
    }
  }
}
