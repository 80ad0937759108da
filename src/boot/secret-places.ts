// Where a secret reaches nobody but the hook, and whoever may read the file: all else of a configuration is shown in
// places, and arguments are seen by every user of the host. Pure.

/** By the path of a key: `hooks.environment.TOKEN`. */
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
