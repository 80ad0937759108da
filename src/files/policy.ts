// What the host allows: which paths may be written and which programs run for the configuration. It lies on the host,
// root's own, since whoever may write a parameter must not become root by it.
import { basename, dirname } from 'node:path';
import * as v from 'valibot';
import { BerthError } from '../errors.ts';
import { isPlainPath } from '../system/plain-path.ts';
import type { TrustedFolders } from '../system/trusted-folders.ts';

export type Policy = {
  readonly paths: readonly string[];
  readonly commands: readonly (readonly string[])[];
};

export const policyFile = '/etc/berth/files.json';

/** `*` in the name of the file alone: a folder is named. */
const pattern = v.pipe(
  v.string(),
  v.check((path) => isPlainPath(path) && !dirname(path).includes('*')),
);

const schema = v.strictObject({
  $schema: v.optional(v.string()),
  paths: v.array(pattern),
  commands: v.optional(v.array(v.pipe(v.array(v.string()), v.minLength(1))), []),
});

const form = '{"paths": ["/etc/myapp/*.conf"], "commands": [["systemctl", "reload", "myapp"]]}';

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

/** Why a path may not be written, with the exact fix; undefined: it may. Pure. */
export function refusedPath(
  policy: Policy | undefined,
  path: string,
  file: string,
): string | undefined {
  if (policy?.paths.some((one) => matches(one, path)) === true) return undefined;
  return refusal(policy, file, 'paths', path);
}

/** The same of a program with its arguments: word for word. */
export function refusedCommand(
  policy: Policy | undefined,
  argv: readonly string[],
  file: string,
): string | undefined {
  const wanted = JSON.stringify(argv);
  if (policy?.commands.some((one) => JSON.stringify(one) === wanted) === true) return undefined;
  return refusal(policy, file, 'commands', argv);
}

function refusal(
  policy: Policy | undefined,
  file: string,
  key: 'paths' | 'commands',
  value: unknown,
): string {
  const line = JSON.stringify(value);
  return policy === undefined
    ? `there is no ${file}, which has to allow it: {"${key}": [${line}]}`
    : `${file} does not allow it: add ${line} to its "${key}"`;
}

function matches(pattern: string, path: string): boolean {
  const literal = pattern.split('*').map((part) => part.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${literal.join('[^/]*')}$`, 'u').test(path);
}
