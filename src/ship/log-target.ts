// A target: one log stream of one log group, and the rules for their names (reference/logs.md section 1).

export type LogTarget = { readonly group: string; readonly stream: string };

export function targetKey({ group, stream }: LogTarget): string {
  return `${group}:${stream}`;
}

/** Why CloudWatch would never take this name; undefined: it would. Sent nevertheless, each line would be refused for it. */
export function badTargetName({ group, stream }: LogTarget): string | undefined {
  if (!/^[.\-_/#A-Za-z0-9]{1,512}$/.test(group)) {
    return `the log group name "${group}" must be 1 to 512 of the characters A-Z a-z 0-9 . - _ / #`;
  }
  if (group.startsWith('aws/')) return `the log group name "${group}" must not begin with aws/`;
  if (!/^[^:*]{1,512}$/.test(stream)) {
    return `the log stream name "${stream}" must be 1 to 512 characters without : and *`;
  }
  return undefined;
}
