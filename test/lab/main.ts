// `npm run lab`: the local AWS on loopback with a small world in it; prints its endpoints as one line of JSON. With
// `--chaos seed=7,throttle=0.2` the endpoint is that of the chaos proxy in front of it. With `--seed 7` all dials are
// drawn from 7, and printed; without, nothing takes time and nothing fails.
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { createChaos } from './chaos.ts';
import { parseChaos } from './chaos-options.ts';
import { createLab } from './lab.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    chaos: { type: 'string' },
    seed: { type: 'string' },
  },
});
const chaosInput = values.chaos === undefined ? undefined : parseChaos(values.chaos);

const seed = values.seed;
if (seed !== undefined && !/^\d+$/.test(seed)) {
  throw new Error(`cannot read the seed "${seed}" in --seed; it is a whole number`);
}
const swarm = seed === undefined ? undefined : Number(seed);

const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
const port = Number(values.port);
await using lab = await createLab({
  port: chaosInput === undefined ? port : 0,
  reaper: true,
  ...(swarm === undefined ? {} : { swarm }),
});
await using chaos =
  chaosInput === undefined
    ? undefined
    : await createChaos({ ...chaosInput, target: lab.endpoint, judge: lab.judge, port });

const vpcId = 'vpc-0123456789abcdef0';
const zone = { vpcId, availabilityZone: 'eu-west-1a', availabilityZoneId: 'euw1-az1' };
lab.ec2.addSubnet({ ...zone, subnetId: 'subnet-00000000000000001', ipv4Cidr: '10.0.1.0/24' });
lab.ec2.addSubnet({ ...zone, subnetId: 'subnet-00000000000000002', ipv4Cidr: '10.0.2.0/24' });
const instances = ['i-00000000000000001', 'i-00000000000000002'].map((instanceId) =>
  lab.ec2.launch({
    instanceId,
    subnetId: 'subnet-00000000000000001',
    tags: { 'berth:pool': 'db' },
  }),
);
const eni = lab.ec2.addEni({
  eniId: 'eni-00000000000000001',
  subnetId: 'subnet-00000000000000002',
  privateIpv4: '10.0.2.100',
  tags: { 'berth:pool': 'db' },
});
lab.ssm.put({ name: '/berth/config', value: JSON.stringify({ pool: 'db' }) });

console.log(
  JSON.stringify({
    endpoint: (chaos ?? lab).endpoint,
    ...(chaos === undefined ? {} : { withoutChaos: lab.endpoint }),
    ...(swarm === undefined
      ? {}
      : { dials: { ec2: lab.ec2.dials, imdsLags: lab.imds.lags, imdsRates: lab.imds.rates } }),
    region: lab.region,
    operator: lab.operator,
    instances: await Promise.all(
      instances.map(async ({ instanceId }) => ({
        instanceId,
        imds: await lab.imdsFor(instanceId),
      })),
    ),
    enis: [eni.eniId],
  }),
);
await stopped;
for (const line of [...lab.judge.violations, lab.judge.summary()]) console.error(line);
