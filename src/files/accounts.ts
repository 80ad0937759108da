// Users and groups of this host by their names, out of /etc/passwd and /etc/group. Pure.

export type Accounts = {
  /** Text of /etc/passwd. */
  readonly passwd: string;
  /** Text of /etc/group. */
  readonly group: string;
};

/** A number stands for itself. undefined: there is none of that name. */
export function idOf(accounts: Accounts, kind: keyof Accounts, name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  const line = accounts[kind].split('\n').find((one) => one.startsWith(`${name}:`));
  const id = line?.split(':')[2];
  return id !== undefined && /^\d+$/.test(id) ? Number(id) : undefined;
}
