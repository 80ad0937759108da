// The instance as AWS sees it: metadata options, role, permissions, clock, what its type may hold.
import { surveyPool, type Berth } from '../claim/survey.ts';
import { createAwsEc2 } from '../claim/aws-ec2.ts';
import { createEc2Facts, type InstanceFacts } from '../claim/instance-facts.ts';
import { rehearsePermissions } from '../claim/permissions.ts';
import { instanceArn, ownerOf, tagKeys } from '../claim/tags.ts';
import type { Config, PoolConfig } from '../model/config.ts';
import type { Eni } from '../model/eni.ts';
import type { Identity } from '../model/instance.ts';
import type { AwsAccess } from '../system/aws.ts';
import type { Ports } from '../system/ports.ts';
import { reporter, type Finding } from './finding.ts';
import { eniPermissionFindings, lacking } from './permission-checks.ts';

export type InstanceInput = { readonly identity: Identity; readonly access: AwsAccess };

/** SigV4 takes 5 min (RequestTimeTooSkewed), TLS and log timestamps want less. */
const skewLimitMs = 5 * 60_000;
const skewWorryMs = 10_000;

/** Throws what the credentials throw. */
export async function checkRole({ access }: InstanceInput): Promise<readonly Finding[]> {
  const report = reporter('role');
  const { expiresAtMs } = await access.credentials(false);
  return [report('ok', `has credentials until ${new Date(expiresAtMs).toISOString()}`)];
}

export type CheckInstanceInput = InstanceInput & {
  /** Pools of the configuration. */
  readonly wanted: number;
  /** So many of them have their ENI; undefined: there is no daemon to say it. */
  readonly served: number | undefined;
};

/** Throws what a call to EC2 throws; then nothing is known of the clock either, unless EC2 said the time. */
export async function checkInstance(
  ports: Ports,
  { identity, access, wanted, served }: CheckInstanceInput,
  onClock: (finding: Finding) => void,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  using ec2 = createEc2Facts(ports, access);
  try {
    const [instance, type] = await Promise.all([
      ec2.instance(identity.instanceId, signal),
      ec2.type(identity.instanceType, signal),
    ]);
    return [
      ...('needs' in instance
        ? [lacking(instance.needs, 'base.json')]
        : instance.facts === undefined
          ? []
          : metadataFindings(identity, instance.facts)),
      ...('needs' in type
        ? [lacking(type.needs, 'base.json')]
        : 'facts' in instance
          ? limitFindings(identity, instance.facts, {
              most: type.facts?.enis,
              wanted,
              served,
            })
          : []),
    ];
  } finally {
    const offsetMs = ec2.clockOffsetMs();
    if (offsetMs !== undefined) onClock(clockFinding(offsetMs));
  }
}

function metadataFindings(
  { instanceId }: Identity,
  { metadata }: InstanceFacts,
): readonly Finding[] {
  const report = reporter('imds');
  const change = `aws ec2 modify-instance-metadata-options --instance-id ${instanceId}`;
  return [
    ...(metadata.tokens === 'optional'
      ? [
          report(
            'warning',
            'IMDSv1 is open: any request forgery reads the role',
            `${change} --http-tokens required`,
          ),
        ]
      : []),
    ...((metadata.hopLimit ?? 1) > 1
      ? [
          report(
            'warning',
            `the hop limit is ${metadata.hopLimit}: containers of this host reach the role's credentials`,
            `${change} --http-put-response-hop-limit 1 (unless containers shall have the role)`,
          ),
        ]
      : []),
    ...(metadata.tags === 'disabled'
      ? [
          report(
            'warning',
            'instance tags are not in the metadata: berth:pool and berth:config are not read',
            `${change} --instance-metadata-tags enabled (unless the configuration comes from elsewhere)`,
          ),
        ]
      : []),
  ];
}

function limitFindings(
  { instanceType }: Identity,
  instance: InstanceFacts | undefined,
  {
    most,
    wanted,
    served,
  }: Pick<CheckInstanceInput, 'wanted' | 'served'> & { readonly most: number | undefined },
): readonly Finding[] {
  if (instance === undefined || most === undefined) return [];
  const report = reporter('limits');
  const has = instance.interfaces.length;
  const message = `${has} of ${most} ENIs that ${instanceType} may have`;
  const missing = wanted - (served ?? has - 1);
  return [
    most - has >= missing
      ? report('ok', message)
      : report(
          'failure',
          `${message}: no room for the pool's`,
          'use a larger instance type, or detach what is of no use: aws ec2 detach-network-interface',
        ),
  ];
}

function clockFinding(offsetMs: number): Finding {
  const report = reporter('clock');
  const seconds = Math.round(Math.abs(offsetMs) / 1000);
  const message = `${seconds} s ${offsetMs < 0 ? 'behind' : 'ahead of'} EC2`;
  const fix =
    'give chrony the line "server 169.254.169.123 prefer iburst", then systemctl restart chronyd';
  if (Math.abs(offsetMs) >= skewLimitMs) {
    return report('failure', `${message}: AWS refuses requests that are 5 minutes off`, fix);
  }
  if (Math.abs(offsetMs) >= skewWorryMs) return report('warning', message, fix);
  return report('ok', seconds <= 1 ? 'as EC2' : message);
}

export type CheckPoolInput = InstanceInput &
  Pick<Config, 'takeOverStale' | 'standby'> & { readonly pool: PoolConfig };

/** Each pool, and what the role may do with it. Throws what a call to EC2 throws. */
export async function checkPool(
  ports: Ports,
  input: CheckPoolInput,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { identity, access, pool, takeOverStale, standby } = input;
  using ec2 = createAwsEc2(ports, access);
  const report = reporter('pool');
  const { name } = pool;
  const enis = await ec2.describePool(name, signal);
  if (enis.length === 0) {
    return [
      report(
        'failure',
        `pool ${name} has no ENI in ${identity.region}`,
        `tag one: aws ec2 create-tags --resources eni-... --tags Key=berth:pool,Value=${name}`,
      ),
    ];
  }
  const own = enis.find((eni) => ownerOf(eni) === instanceArn(identity));
  const here = enis.filter((eni) => eni.availabilityZone === identity.availabilityZone);
  const free = here.filter((eni) => eni.status === 'available' && ownerOf(eni) === undefined);
  const eni = own ?? free[0];
  const berths = await surveyPool({ ...ports, ec2 }, name, signal);
  const staleIds = berths.filter(({ state }) => state === 'stale').map(({ eniId }) => eniId);
  const stale = takeOverStale ? enis.find(({ eniId }) => staleIds.includes(eniId)) : undefined;
  const haGroup = identity.tags?.[tagKeys.haGroup];
  const isPeers = ({ attachment, tags }: Eni): boolean =>
    attachment?.instanceId !== undefined &&
    attachment.instanceId !== identity.instanceId &&
    tags[tagKeys.haGroup] !== undefined &&
    tags[tagKeys.haGroup] === (haGroup ?? tags[tagKeys.haGroup]);
  const held = standby === undefined ? undefined : here.find(isPeers);
  const fence = standby?.fence ?? 'detach';
  const zones = [...new Set(enis.map(({ availabilityZone }) => availabilityZone))].toSorted();
  return [
    ...(here.length === 0
      ? [
          report(
            'failure',
            `pool ${name} has ENIs in ${zones.join(', ')} only, this instance is in ${identity.availabilityZone}`,
            `aws ec2 create-network-interface --subnet-id SUBNET-OF-${identity.availabilityZone} --tag-specifications 'ResourceType=network-interface,Tags=[{Key=berth:pool,Value=${name}}]'`,
          ),
        ]
      : eni === undefined
        ? [
            report(
              'warning',
              `pool ${name}: none of ${here.length} ENIs of this zone is free`,
              `wait, or add one: aws ec2 create-tags --resources eni-... --tags Key=berth:pool,Value=${name}; "berth pool" shows who holds them`,
            ),
          ]
        : [report('ok', `pool ${name}: ${sayHeld(own)}${free.length} of ${here.length} free`)]),
    ...berths.flatMap(berthFindings),
    ...eniPermissionFindings(
      await rehearsePermissions(ports, { access, identity, eni, stale, held, fence }, signal),
      { isOurs: own !== undefined, eni, stale, held, takeOverStale, standby },
    ),
  ];
}

function sayHeld(own: Eni | undefined): string {
  return own === undefined ? '' : `${own.eniId} is ours, `;
}

function berthFindings({ eniId, state, owner, holder }: Berth): readonly Finding[] {
  const report = reporter('pool');
  if (state === 'stale') {
    return [
      report(
        'warning',
        `${eniId} bears the name of ${owner}, which is gone`,
        `aws ec2 delete-tags --resources ${eniId} --tags Key=berth:owner (or set takeOverStale, with takeover.json)`,
      ),
    ];
  }
  if (state !== 'foreign') return [];
  return [
    report(
      'warning',
      `${eniId} is attached to ${holder ?? 'a service'}, whose name it does not bear`,
      `detach it, or aws ec2 delete-tags --resources ${eniId} --tags Key=berth:pool`,
    ),
  ];
}
