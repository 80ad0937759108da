// The questions that take the roles of two instances: do berth's conditions hold, and how fast does a tag count?
import * as sdk from '@aws-sdk/client-ec2';
import type { Ground } from './probe-ground.ts';
import { answerOf, changing, found, NotAsked, type Answer, type Probe } from './probe.ts';
import type { Clients } from './probe-clients.ts';

/** Of an instance, by which its role signs. */
export type Role = { readonly clients: Clients; readonly instanceId: string; readonly arn: string };

const rounds = 10;
const maxTries = 60;
const pollMs = 500;

export function roleProbes(
  roles: readonly [Role, Role] | undefined,
  pool: string,
): readonly Probe[] {
  const both = (): readonly [Role, Role] => {
    if (roles === undefined) throw new NotAsked('no keys of instance roles');
    return roles;
  };
  const inPool = async (ground: Ground): Promise<string> => {
    const TagSpecifications = ground.marks.map((mark) => ({
      ...mark,
      Tags: [...mark.Tags!, { Key: 'berth:pool', Value: pool }],
    }));
    return (await ground.eni({ TagSpecifications })).NetworkInterfaceId!;
  };
  const claim = (by: Role, eniId: string, as: Role): Promise<Answer> =>
    answerOf(
      by.clients.ec2.send(
        new sdk.CreateTagsCommand({
          Resources: [eniId],
          Tags: [{ Key: 'berth:owner', Value: as.arn }],
        }),
      ),
    );
  return changing('role', {
    'claims as itself': async (ground) => {
      const [a] = both();
      return claim(a, await inPool(ground), a);
    },
    'claims as another': async (ground) => {
      const [a, b] = both();
      return claim(a, await inPool(ground), b);
    },
    'claims what another has': async (ground) => {
      const [a, b] = both();
      const eniId = await inPool(ground);
      await claim(a, eniId, a);
      return claim(b, eniId, b);
    },
    'both at once': async (ground) => {
      const [a, b] = both();
      let twice = 0;
      for (let left = rounds; left > 0; left--) {
        const eniId = await inPool(ground);
        const said = await Promise.all([claim(a, eniId, a), claim(b, eniId, b)]);
        if (said.every((answer) => answer.said === '200')) twice++;
      }
      return { ...found({ bothAllowed: twice > 0 }), text: `${twice} of ${rounds}` };
    },
    'attaches what it has just tagged': async (ground) => {
      const [a] = both();
      const eniId = await inPool(ground);
      const DeviceIndex = await ground.freeIndex(a.instanceId);
      await claim(a, eniId, a);
      const startMs = ground.clock.monotonicMs();
      for (let tries = 1; ; tries++) {
        const answer = await answerOf(
          a.clients.ec2.send(
            new sdk.AttachNetworkInterfaceCommand({
              NetworkInterfaceId: eniId,
              InstanceId: a.instanceId,
              DeviceIndex,
              NetworkCardIndex: 0,
            }),
          ),
        );
        const ms = Math.round(ground.clock.monotonicMs() - startMs);
        const denied = answer.said === '403 UnauthorizedOperation';
        if (!denied || tries === maxTries) {
          return { said: answer.said, text: `after ${tries} tries, ${ms} ms` };
        }
        await ground.clock.sleep(pollMs, new AbortController().signal);
      }
    },
  });
}

/** How long attach and detach take, as the API shows it. */
export const durationProbes = changing('duration', {
  'attach and detach': async (ground) => {
    const eniId = await ground.eniId();
    const startMs = ground.clock.monotonicMs();
    const { attachmentId } = await ground.attach(eniId, ground.place.instances[0]);
    const attachedMs = ground.clock.monotonicMs();
    await ground.detach(attachmentId, eniId);
    const detachedMs = ground.clock.monotonicMs();
    const attachText = `attached after ${Math.round(attachedMs - startMs)} ms`;
    return {
      said: '200',
      text: `${attachText}, available again after ${Math.round(detachedMs - attachedMs)} ms`,
    };
  },
});
