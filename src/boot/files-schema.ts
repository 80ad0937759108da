// The keys of `files`: files of this host as they are to be.
import * as v from 'valibot';
import { isPlainPath } from '../system/plain-path.ts';

/** A parameter holds 8 KiB and user data 16: whoever needs more wants an archive, and another tool. */
const maxContent = 1_048_576;
const maxFiles = 64;
/** All of them are in memory at once, in two processes, one of which may have 256 MiB. */
const maxTotal = 4 * maxContent;
/** Somebody waits for ready meanwhile. */
const maxTimeoutSeconds = 120;

/** What the sandbox of the writer hides. */
const hidden = /^\/(home|root|run\/user|tmp|var\/tmp|proc|sys|dev)\//;

const plain = 'must be an absolute path, without ., .. and // in it';

const text = (most: number) =>
  v.pipe(v.string(), v.maxLength(most), v.regex(/^[^\0]*$/, 'must have no NUL in it'));

/** Names of useradd(8), or numbers. */
const account = (what: string) =>
  v.optional(
    v.pipe(
      v.string(),
      v.maxLength(32),
      v.regex(/^([A-Za-z_][A-Za-z0-9_.-]*\$?|\d+)$/, 'must be a name or a number'),
      v.description(what),
    ),
    'root',
  );

const timeoutSeconds = v.optional(
  v.pipe(
    v.number(),
    v.minValue(1),
    v.maxValue(maxTimeoutSeconds),
    v.description('It and all that it started is ended then'),
  ),
  30,
);

const program = v.pipe(v.array(text(4096)), v.minLength(1), v.maxLength(64));
const hasPlace = (argv: string[]): boolean => argv.slice(1).some((word) => word.includes('{}'));

const file = v.object({
  path: v.pipe(
    v.string(),
    // As far as a JSON Schema can tell.
    v.regex(/^(\/(?!\.\.?(\/|$))[^/]+)+$/, plain),
    v.check(isPlainPath, plain),
    v.check(
      (path) => !hidden.test(path),
      'must not be where the sandbox of the writer sees nothing',
    ),
    v.check((path) => !path.endsWith('.berth-new'), 'must not end with .berth-new'),
    v.description('Of the file; /etc/berth/files.json has to allow it (docs/files.md)'),
  ),
  content: v.pipe(
    text(maxContent),
    v.description('All of it; references, those to secrets too, are filled in'),
  ),
  owner: account('User, in /etc/passwd'),
  group: account('Group, in /etc/group'),
  mode: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^0?[0-7]{3}$/, 'must be three octal digits, as "0640"'),
      v.regex(/[0145]$/, 'must not let everybody write'),
      v.description('Octal'),
    ),
    '0640',
  ),
  check: v.optional(
    v.pipe(
      v.object({
        command: v.pipe(
          program,
          v.check(hasPlace, 'must have {} in an argument: the path of the file to look at'),
          v.description(
            'Program and arguments, {} is a file with the new content; unless it ends with 0, the old file stays',
          ),
        ),
        timeoutSeconds,
      }),
      v.description('Before the file is put in its place'),
    ),
  ),
  reload: v.optional(
    v.pipe(
      v.object({
        command: v.pipe(
          program,
          v.description('Program and arguments; of several files with the same it is run once'),
        ),
        timeoutSeconds,
      }),
      v.description('After a change'),
    ),
  ),
});

export const files = v.pipe(
  v.array(file),
  v.maxLength(maxFiles),
  v.check(
    (list) => new Set(list.map(({ path }) => path)).size === list.length,
    'must not name a path twice',
  ),
  v.check(
    (list) => list.reduce((sum, { content }) => sum + content.length, 0) <= maxTotal,
    `must be at most ${maxTotal} characters long together`,
  ),
  v.description('Files of this host that are kept as they are written here (docs/files.md)'),
);
