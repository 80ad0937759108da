// Keys of a configuration, by their path (`hooks.environment.TOKEN`), whose values are texts whatever they look like, and
// those of them that may be secrets. Pure.

/** What stands in a file is a text; so is its mode, and a variable. */
export const textPlace = /^(hooks\.environment\.|files\[\d+\]\.(content|owner|group|mode)$)/;

/** A secret reaches nobody but the hook, and whoever may read the file; all else is shown, arguments to every user. */
export const secretPlace = /^(hooks\.environment\.|files\[\d+\]\.content$)/;

/** The texts that stand there. Of a piece of a configuration a list may be an object: `{"3": ...}`. */
export function placedTexts(config: unknown): readonly string[] {
  const environment = valuesOf(at(at(config, 'hooks'), 'environment'));
  const contents = valuesOf(at(config, 'files')).map((file) => at(file, 'content'));
  return [...environment, ...contents].filter((text) => typeof text === 'string');
}

function valuesOf(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}

function at(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}
