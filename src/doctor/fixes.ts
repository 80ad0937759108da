// What to do about a check that does not end, or whose error does not say it.
import { BerthError, hasCode } from '../errors.ts';

export type Check =
  | 'imds'
  | 'role'
  | 'config'
  | 'ec2'
  | 'pool'
  | 'daemon'
  | 'routes'
  | 'logs'
  | 'files'
  | 'disk'
  | 'others'
  | 'versions';

/** What to do where a check does not answer in time, and where it fails with a message that does not say it. */
export function fixesOf({
  configFlag,
  stateDir,
}: {
  readonly configFlag: string | undefined;
  readonly stateDir: string;
}): Readonly<Record<Check, string>> {
  const isFile = configFlag !== undefined && !configFlag.startsWith('ssm:');
  const anywhere = 'findmnt names the file systems: mount anew what does not answer';
  return {
    imds: 'aws ec2 modify-instance-metadata-options --instance-id i-... --http-endpoint enabled --http-tokens required',
    role: 'attach an instance profile whose role has packaging/iam/base.json',
    config: isFile
      ? `make ${configFlag} a regular file that can be read; ${mounted(configFlag)}`
      : wayTo('ssm'),
    ec2: wayTo('ec2'),
    pool: wayTo('ec2'),
    daemon: 'systemctl restart berth (the address stays served)',
    routes: `${wayTo('ec2')}; and see that "ip rule" answers`,
    logs: anywhere,
    files: anywhere,
    disk: mounted(stateDir),
    others: 'systemctl daemon-reexec',
    versions: 'install iproute2; "ip -V" has to answer',
  };
}

export function wayTo(service: string): string {
  return `let DNS, the routes and the security groups reach ${service}: NAT, or an interface endpoint`;
}

function mounted(path: string): string {
  return `findmnt --target ${path} names its file system: mount it anew`;
}

/** Most messages do. */
export function saysWhatToDo(error: unknown): boolean {
  return error instanceof BerthError && !hasCode(error, ...silent);
}

const silent = [
  'aws-unavailable',
  'aws-unknown-outcome',
  'aws-throttled',
  'disk',
  'command-failed',
  'timeout',
] as const;
