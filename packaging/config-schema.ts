// The JSON Schema of a configuration, for editors and CI: out of the one schema that berth itself goes by.
// What only a program can check (patterns of RE2, keys that exclude each other) it lets pass.
import { toJsonSchema, type JsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { configSchema } from '../src/boot/config-schema.ts';

export function configJsonSchema(): JsonSchema {
  const schema = toJsonSchema(configSchema, {
    target: 'draft-07',
    // Defaults may be left out, and a value is judged as it is written.
    typeMode: 'input',
    errorMode: 'ignore',
    // The converter stops at a transformation, and the description comes after that.
    overrideSchema: ({ valibotSchema, jsonSchema }) => {
      const { wrapped } = valibotSchema as { readonly wrapped?: v.GenericSchema };
      const description = wrapped && v.getDescription(wrapped);
      return description === undefined ? jsonSchema : { ...jsonSchema, description };
    },
  });
  return { ...(closed(schema) as JsonSchema), title: 'Configuration of berth' };
}

/** Unknown keys are errors, but in sections that are marked as open; the marks themselves go (src/boot/key-marks.ts). */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { open, notDone: _, ...rest } = schema as Readonly<Record<string, unknown>>;
  const inner = Object.entries(rest).map(([key, value]) => [key, closed(value)]);
  const isObject = 'properties' in rest && rest['type'] === 'object';
  return {
    ...(Object.fromEntries(inner) as object),
    ...(isObject ? { additionalProperties: open === true } : {}),
  };
}
