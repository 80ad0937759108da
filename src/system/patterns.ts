// Regular expressions of users, in Go's syntax and in linear time: one that backtracks for ever would stall everything.
// re2js is loaded with the first one, since it costs 10 ms.

/** The agent's start of an event: a line that begins with white space, or an empty one, belongs to the event before it. */
export const unindented = String.raw`^[\S]`;

export type Pattern = { test(text: string): boolean };

/** Throws on what is no regular expression of RE2. */
export type CompilePattern = (text: string) => Pattern;

export async function loadPatterns(): Promise<CompilePattern> {
  const { RE2JS } = await import('re2js');
  return (text) => RE2JS.compile(text);
}
