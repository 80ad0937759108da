// What the host allows: which files may be written, how, and which programs run for them. It lies on the host, root's
// own, since whoever may write a parameter must not become root by it.
import { basename, dirname } from 'node:path';
import * as v from 'valibot';
import { BerthError } from '../errors.ts';
import { isPlainPath } from '../system/plain-path.ts';
import type { TrustedFolders } from '../system/trusted-folders.ts';

export const policyFile = '/etc/berth/files.json';

/** `*` in the name of the file alone: a folder is named. */
const pattern = v.pipe(
  v.string(),
  v.check((path) => isPlainPath(path) && !dirname(path).includes('*')),
);

const argv = v.optional(v.pipe(v.array(v.string()), v.minLength(1)));

/** An entry of the configuration without its content, and with its defaults. */
const entry = v.strictObject({
  path: pattern,
  owner: v.optional(v.string(), 'root'),
  group: v.optional(v.string(), 'root'),
  mode: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^0?[0-7]{2}[0145]$/),
      v.transform((mode) => Number.parseInt(mode, 8)),
    ),
    '0640',
  ),
  check: argv,
  reload: argv,
});

const schema = v.strictObject({ $schema: v.optional(v.string()), files: v.array(entry) });

export type Policy = v.InferOutput<typeof schema>;
type Entry = Policy['files'][number];

type Program = { readonly argv: readonly string[] };
/** Of the configuration, or of a request. */
type Wanted = Pick<Entry, 'path' | 'owner' | 'group' | 'mode'> & {
  readonly check?: Program | undefined;
  readonly reload?: Program | undefined;
};

const form =
  '{"files": [{"path": "/etc/myapp/*.conf", "group": "myapp", "mode": "0640", "reload": ["systemctl", "reload", "myapp"]}]}';

/** undefined: there is none. Throws `not-permitted` (not root's alone), `config-invalid`, `disk`. */
export async function readPolicy(
  folders: TrustedFolders,
  path: string,
): Promise<Policy | undefined> {
  let folder;
  try {
    folder = await folders.open(dirname(path));
  } catch (error) {
    if (error instanceof BerthError && error.code === 'config-missing') return undefined;
    throw error;
  }
  await using opened = folder;
  const found = await opened.read(basename(path));
  if (found === undefined) return undefined;
  if (found.uid !== 0 || (found.mode & 0o022) !== 0) {
    throw new BerthError(
      'not-permitted',
      `others than root may write ${path}: chown root ${path}; chmod go-w ${path}`,
    );
  }
  try {
    return v.parse(schema, JSON.parse(found.content.toString()));
  } catch (error) {
    const why = v.isValiError(error) ? (v.getDotPath(error.issues[0]) ?? 'it') : 'it';
    throw new BerthError('config-invalid', `${path}: ${why} is not of the form ${form}`);
  }
}

/** Why a file may not be written as it is wanted, with the exact fix; undefined: it may. Pure. */
export function refusalOf(
  policy: Policy | undefined,
  wanted: Wanted,
  file: string,
): string | undefined {
  const entries = policy?.files.filter(({ path }) => matches(path, wanted.path)) ?? [];
  const differences = entries.map((one) => differenceOf(one, wanted));
  if (differences.includes(undefined)) return undefined;
  if (differences.length > 0) return `${file} allows it with ${differences.join(', or with ')}`;
  const line = JSON.stringify(entryOf(wanted));
  return policy === undefined
    ? `there is no ${file}, which has to allow it: {"files": [${line}]}`
    : `${file} does not allow it: add ${line} to its "files"`;
}

/** Word for word, but for the mode, which may have less; and a reload may be left out, a check not. */
function differenceOf(entry: Entry, wanted: Wanted): string | undefined {
  for (const key of ['owner', 'group'] as const) {
    if (entry[key] !== wanted[key]) return `${key} ${entry[key]}, not ${wanted[key]}`;
  }
  if ((wanted.mode & ~entry.mode) !== 0) {
    return `mode ${octal(entry.mode)} at most, not ${octal(wanted.mode)}`;
  }
  for (const key of ['check', 'reload'] as const) {
    const [allowed, asked] = [textOf(entry[key]), textOf(wanted[key]?.argv)];
    const isLeftOut = key === 'reload' && wanted.reload === undefined;
    if (allowed !== asked && !isLeftOut) return `${key} ${allowed}, not ${asked}`;
  }
  return undefined;
}

function entryOf({ path, owner, group, mode, check, reload }: Wanted): object {
  return {
    path,
    ...(owner === 'root' ? {} : { owner }),
    ...(group === 'root' ? {} : { group }),
    ...(mode === 0o640 ? {} : { mode: octal(mode) }),
    ...(check && { check: check.argv }),
    ...(reload && { reload: reload.argv }),
  };
}

function textOf(argv: readonly string[] | undefined): string {
  return argv === undefined ? 'none' : JSON.stringify(argv);
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function matches(pattern: string, path: string): boolean {
  const literal = pattern.split('*').map((part) => part.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${literal.join('[^/]*')}$`, 'u').test(path);
}
