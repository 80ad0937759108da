// The lab as a ground of probes.
import { systemClock } from '../../src/system/clock.ts';
import type { Policy } from './iam-evaluate.ts';
import { createLab, type Lab } from './lab.ts';
import type { Place, Powers } from './probe-ground.ts';

export const labPlace: Place = {
  instances: ['i-00000000000000001', 'i-00000000000000002'],
  subnetId: 'subnet-0000000000000000a',
  farSubnetId: 'subnet-0000000000000000b',
};

const vpcId = 'vpc-0123456789abcdef0';
const terminated = 'i-00000000000000003';

/** With two running instances and one that is gone. */
export async function createProbeLab(): Promise<Lab> {
  const lab = await createLab({ clock: systemClock });
  // Probes ask what happens then.
  lab.judge.expect('client: ');
  const zones = [
    [labPlace.subnetId, 'a', 'euw1-az1', '10.0.1.0/24'],
    [labPlace.farSubnetId!, 'b', 'euw1-az2', '10.0.2.0/24'],
  ] as const;
  for (const [subnetId, letter, availabilityZoneId, ipv4Cidr] of zones) {
    const availabilityZone = `${lab.region}${letter}`;
    lab.ec2.addSubnet({ subnetId, vpcId, availabilityZone, availabilityZoneId, ipv4Cidr });
  }
  for (const instanceId of [...labPlace.instances, terminated]) {
    lab.ec2.launch({ instanceId, subnetId: labPlace.subnetId });
  }
  lab.ec2.terminate(terminated);
  await lab.ec2.settled();
  return lab;
}

export function powersOfLab(lab: Lab): Partial<Powers> {
  const { subnetId } = labPlace;
  return {
    terminated,
    launch: async () => lab.ec2.launch({ subnetId }).instanceId,
    limited: async (policy) => {
      const { instanceId } = lab.ec2.launch({ subnetId });
      lab.setPolicies(instanceId, [policy as Policy]);
      return lab.credentialsFor(instanceId);
    },
    slow: () => {
      const before = lab.ec2.dials.attachMs;
      lab.ec2.dials.attachMs = 3_600_000;
      return { [Symbol.dispose]: () => void (lab.ec2.dials.attachMs = before) };
    },
  };
}
