// What to do about a check that does not end, or that throws.
import { BerthError, type ErrorCode } from '../errors.ts';

export type Check =
  | 'imds'
  | 'role'
  | 'config'
  | 'ec2'
  | 'pool'
  | 'services'
  | 'daemon'
  | 'routes'
  | 'logs'
  | 'files'
  | 'disk'
  | 'others'
  | 'versions';

/** What to do where a check does not answer in time, or fails. */
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
    services: wayTo('sts and logs'),
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

/** Of an error that a check threw: by its code, else by the check. */
export function fixOf(error: unknown, byCheck: string): string {
  return (error instanceof BerthError ? byCode[error.code] : undefined) ?? byCheck;
}

const again = 'put that right, then berth reload, or systemctl restart berth where it does not run';

const byCode: Readonly<Partial<Record<ErrorCode, string>>> = {
  'config-invalid': again,
  'config-missing': again,
  'config-denied': 'attach packaging/iam/config.json to the role of the instance',
  'aws-denied': 'attach packaging/iam/base.json to the role of the instance',
  'aws-throttled': 'run it again in a minute: others use up the request rate of the account',
  'imds-garbage': 'let no proxy and no emulator stand in front of 169.254.169.254',
  'not-permitted': 'sudo berth doctor',
  'command-missing': 'install iproute2',
};
