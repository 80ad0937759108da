// What every foreign client does with the lab, by whatever name its calls go: pool, parameters, log events, and how
// AWS words its refusals.
import type { Lab } from './lab.ts';
import { inPool, subnetB } from './test-world.ts';

/** The interfaces of the pool, which the operator makes. */
export const slots = [
  { privateIp: '10.0.1.50', secondaryIp: '10.0.1.51', description: 'db, slot 1' },
  { privateIp: '10.0.1.60', secondaryIp: '10.0.1.61', description: 'db, slot 2' },
] as const;

export const poolTags = Object.entries(inPool).map(([Key, Value]) => ({ Key, Value }));

/** Interfaces of another pool, enough for three pages of five; in the order of their addresses. */
export const crowd = Array.from({ length: 12 }, (_, index) => `10.0.3.${100 + index}`);

/** Parameters below one path, enough for three pages of five, and one that only a recursive read finds. */
export const flatParameters = Array.from(
  { length: 12 },
  (_, index) => `/berth/slots/${String(index).padStart(2, '0')}`,
);
export const deepParameter = '/berth/slots/00/deep';

export const config = {
  name: '/berth/db/config',
  first: '{"pool":"db"}',
  second: '{"pool":"db","ship":{}}',
  label: 'stable',
} as const;
export const secret = { name: '/berth/db/secret', value: 'hunter2' } as const;
export const parameterArn = (lab: Lab, name: string): string =>
  `arn:aws:ssm:${lab.region}:${lab.accountId}:parameter${name}`;

export const log = { group: '/berth/db', stream: 'i-1/messages', retentionDays: 14 } as const;
export const logArn = (lab: Lab): string =>
  `arn:aws:logs:${lab.region}:${lab.accountId}:log-group:${log.group}`;
const dayMs = 86_400_000;
/** In order; the first is older than CloudWatch takes, the last further ahead. */
export const logEvents = (nowMs: number) => [
  { timestamp: nowMs - 15 * dayMs, message: 'too old' },
  { timestamp: nowMs - 2000, message: 'berth claimed 10.0.1.50' },
  { timestamp: nowMs - 1000, message: 'berth is ready, says "yes" & <so>' },
  { timestamp: nowMs + dayMs, message: 'too new' },
];
/** The end of what is too old is exclusive, the start of what is too new inclusive (logs.md). */
export const rejected = { tooOldLogEventEndIndex: 1, tooNewLogEventStartIndex: 3 } as const;

/** What is there before the story begins. */
export function prepareStory(lab: Lab): void {
  for (const privateIpv4 of crowd) {
    lab.ec2.addEni({ subnetId: subnetB, privateIpv4, tags: { 'berth:pool': 'web' } });
  }
  for (const name of [...flatParameters, deepParameter]) lab.ssm.put({ name, value: name });
}

type Refusal = readonly [code: string, message: string];

/** Code and text of AWS's errors (proof.md section 4, claim.md section 3). */
export const refusals = {
  addressInUse: (address: string): Refusal => [
    'InvalidIPAddress.InUse',
    `Address ${address} is in use.`,
  ],
  eniInUse: (eniId: string): Refusal => [
    'InvalidNetworkInterface.InUse',
    `Interface: [${eniId}] in use.`,
  ],
  eniNotFound: (eniId: string): Refusal => [
    'InvalidNetworkInterfaceID.NotFound',
    `The networkInterface ID '${eniId}' does not exist`,
  ],
  dryRun: [
    'DryRunOperation',
    'Request would have succeeded, but DryRun flag is set.',
  ] satisfies Refusal,
  unknownFilter: (name: string): Refusal => [
    'InvalidParameterValue',
    `The filter '${name}' is invalid`,
  ],
  reservedTag: [
    'InvalidTagKey.Malformed',
    "Tag keys starting with 'aws:' are reserved for internal use",
  ] satisfies Refusal,
  parameterExists: [
    'ParameterAlreadyExists',
    'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
  ] satisfies Refusal,
  groupExists: [
    'ResourceAlreadyExistsException',
    'The specified log group already exists',
  ] satisfies Refusal,
  noStream: [
    'ResourceNotFoundException',
    'The specified log stream does not exist.',
  ] satisfies Refusal,
} as const;

/** How a denial of an instance's role begins. */
export function denialOf(lab: Lab, instanceId: string, action: string): string {
  const user = `arn:aws:sts::${lab.accountId}:assumed-role/berth/${instanceId}`;
  return `User: ${user} is not authorized to perform: ${action} on resource: `;
}
