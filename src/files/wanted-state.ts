// A file of the configuration in the form in which the host has files.
import type { FileConfig } from '../model/config.ts';
import type { Files } from '../system/files.ts';
import type { FileState } from '../system/host-files.ts';
import { idOf, type Accounts } from './accounts.ts';

export async function readAccounts({ readText }: Pick<Files, 'readText'>): Promise<Accounts> {
  const [passwd = '', group = ''] = await Promise.all(
    ['/etc/passwd', '/etc/group'].map((path) => readText(path)),
  );
  return { passwd, group };
}

/** A text instead: what there is not on this host. Pure. */
export function wantedState(
  { content, owner, group, mode }: Pick<FileConfig, 'content' | 'owner' | 'group' | 'mode'>,
  accounts: Accounts,
): FileState | string {
  const uid = idOf(accounts, 'passwd', owner);
  const gid = idOf(accounts, 'group', group);
  if (uid === undefined) return `there is no user ${owner}`;
  if (gid === undefined) return `there is no group ${group}`;
  return { content: Buffer.from(content), uid, gid, mode };
}
