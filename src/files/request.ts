// What berth asks of the writer, and what that answers: a line of JSON each, and before the second the line `taken`. The
// writer trusts none of it.
import * as v from 'valibot';
import { isPlainPath } from '../system/plain-path.ts';

/** As the schema of the configuration has them, and a little more for JSON. */
const maxFiles = 64;
const maxContent = 1_048_576;
export const maxRequestBytes = 33_554_432;
const longestTimeoutMs = 120_000;
/** Of a whole request; RuntimeMaxSec= of berth-files@.service is a little more. */
export const maxProgramsMs = 840_000;

const command = v.strictObject({
  argv: v.pipe(
    v.array(v.pipe(v.string(), v.maxLength(4096), v.regex(/^[^\0]*$/))),
    v.minLength(1),
    v.maxLength(64),
  ),
  timeoutMs: v.pipe(v.number(), v.minValue(1), v.maxValue(longestTimeoutMs)),
});

const account = v.pipe(v.string(), v.minLength(1), v.maxLength(32));

const file = v.strictObject({
  path: v.pipe(
    v.string(),
    v.check((path) => isPlainPath(path) && !path.endsWith('.berth-new')),
  ),
  content: v.pipe(v.string(), v.maxLength(maxContent)),
  owner: account,
  group: account,
  /** No set-user-ID, no set-group-ID, and nothing that everybody may write. */
  mode: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(0),
    v.maxValue(0o777),
    v.check((mode) => (mode & 0o002) === 0),
  ),
  check: v.optional(command),
  reload: v.optional(command),
  /** Its reload did not come to its end last time, as far as is known. */
  reloadDue: v.boolean(),
  /** A secret is in it: what programs print is kept from everybody. */
  quiet: v.boolean(),
});

/** `files`: none, to have what was left behind removed. */
export const requestSchema = v.strictObject({
  files: v.pipe(
    v.array(file),
    v.maxLength(maxFiles),
    v.check((files) => new Set(files.map(({ path }) => path)).size === files.length),
  ),
});

export type WriteRequest = v.InferOutput<typeof requestSchema>;
export type WantedFile = WriteRequest['files'][number];

/** Said before anything is done: without it, a connection that ended has changed nothing. */
export const taken = 'taken';

type WithPrograms = {
  readonly [program in 'check' | 'reload']?: { readonly timeoutMs: number } | undefined;
};

/** How long the programs of these files may take. */
export function programsMs(files: readonly WithPrograms[]): number {
  const times = files.map(
    ({ check, reload }) => (check?.timeoutMs ?? 0) + (reload?.timeoutMs ?? 0),
  );
  return Math.min(
    times.reduce((sum, ms) => sum + ms, 0),
    maxProgramsMs,
  );
}

const result = v.object({
  path: v.string(),
  written: v.boolean(),
  /** It has to be run yet. */
  reloadDue: v.boolean(),
  /** Why it is not in its place, or not reloaded. */
  problem: v.optional(v.string()),
});

/** `refused`: nothing was done, and why. */
export const answerSchema = v.object({
  results: v.array(result),
  refused: v.optional(v.string()),
});

export type WriteAnswer = v.InferOutput<typeof answerSchema>;
export type WriteResult = v.InferOutput<typeof result>;
