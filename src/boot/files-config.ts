// Files of this host out of the configuration, and what is to be said about them. Pure.
import type { FileCommand, FileConfig } from '../model/config.ts';
import type { ConfigIssue, RawConfig } from './config-schema.ts';
import { isSecret, type Placed } from './references.ts';

type RawFile = RawConfig['files'][number];

export function filesConfig({ files }: Pick<RawConfig, 'files'>): readonly FileConfig[] {
  return files.map(({ path, content, owner, group, mode, check, reload }) => ({
    path,
    content,
    owner,
    group,
    mode: Number.parseInt(mode, 8),
    check: commandOf(check),
    reload: commandOf(reload),
  }));
}

function commandOf(raw: RawFile['reload']): FileCommand | undefined {
  return raw && { argv: raw.command, timeoutMs: raw.timeoutSeconds * 1000 };
}

/** `value`: with its references, of any form. */
export function openSecrets(value: unknown, references: readonly Placed[]): readonly ConfigIssue[] {
  const { files } = (value ?? {}) as { readonly files?: unknown };
  if (!Array.isArray(files)) return [];
  return files.flatMap((file: { readonly mode?: unknown } | null, i) => {
    const path = `files[${i}].content`;
    const hasSecret = references.some((one) => one.path === path && isSecret(one));
    const mode = file?.mode;
    if (!hasSecret || typeof mode !== 'string' || !/[4567]$/.test(mode)) return [];
    const message = `files[${i}].mode: everybody on the host may read the secret in it`;
    return [{ path: `files[${i}].mode`, message }];
  });
}
