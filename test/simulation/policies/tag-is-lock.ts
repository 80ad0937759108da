// A negative control: the tag is the lock. Write it, read it again, and what carries our name is ours.
import { instanceArn, nextClaim, ownerOf } from '../../../src/claim/tags.ts';
import { hasCode } from '../../../src/errors.ts';
import type { Eni } from '../../../src/model/eni.ts';
import type { StartProgram } from '../program.ts';
import { pause, persist, serve, startPolicy } from './policy.ts';

export const startTagIsLock: StartProgram = (ports, input) =>
  startPolicy(async (signal) => {
    const { ec2 } = ports;
    const { identity } = input;
    const me = instanceArn(identity);
    const pool = input.pools[0]!.name;
    const own = (enis: readonly Eni[]): Eni | undefined => enis.find((eni) => ownerOf(eni) === me);
    for (;;) {
      const enis = await persist(ports, () => ec2.describePool(pool, signal), signal);
      ports.boardOf(pool).progress('waiting-for-eni', 'looking for a free ENI');
      let eni = own(enis);
      const free = enis.find(
        ({ status, tags }) => status === 'available' && !('berth:owner' in tags),
      );
      if (eni === undefined && free !== undefined) {
        const claim = nextClaim(free, identity, ports.random.uuid());
        try {
          await persist(ports, () => ec2.createClaim(free.eniId, me, claim, signal), signal);
          await pause(ports, 1_000, signal);
          const now = await persist(ports, () => ec2.describeEni(free.eniId, signal), signal);
          eni = own(now === undefined ? [] : [now]);
        } catch (error) {
          if (!hasCode(error, 'aws-denied', 'eni-gone')) throw error;
        }
      }
      if (eni !== undefined) await hold(eni, signal);
      await pause(ports, 5_000, signal);
    }

    async function hold(eni: Eni, signal: AbortSignal): Promise<void> {
      const { eniId } = eni;
      const { instanceId } = identity;
      const place = { eniId, instanceId, deviceIndex: 1, networkCardIndex: 0 };
      // It is ours, so that the attach is a formality.
      await persist(ports, () => ec2.attach(place, signal), signal).catch(() => undefined);
      await serve(ports, { pool, eni }, signal);
    }
  });
