// A negative control: take the first free ENI, and after any error the next one.
import { messageOf } from '../../../src/errors.ts';
import type { Eni } from '../../../src/model/eni.ts';
import type { StartProgram } from '../program.ts';
import { instanceArn, nextClaim } from '../../../src/claim/tags.ts';
import { pause, persist, serve, startPolicy } from './policy.ts';

export const startRetryOnError: StartProgram = (ports, input) =>
  startPolicy(async (signal) => {
    const { ec2, log } = ports;
    const { identity } = input;
    const { instanceId } = identity;
    const pool = input.pools[0]!.name;
    for (;;) {
      const enis = await persist(ports, () => ec2.describePool(pool, signal), signal);
      const mine = enis.find(({ attachment }) => attachment?.instanceId === instanceId);
      if (mine !== undefined) await serve(ports, { pool, eni: mine }, signal);
      ports.boardOf(pool).progress('waiting-for-eni', 'looking for a free ENI');
      let deviceIndex = 1;
      for (const eni of enis.filter(({ status }) => status === 'available')) {
        try {
          await attach(eni, deviceIndex++, signal);
          await serve(ports, { pool, eni }, signal);
          break;
        } catch (error) {
          signal.throwIfAborted();
          log.warn(`${messageOf(error)}; trying the next one`);
        }
      }
      await pause(ports, 5_000, signal);
    }

    async function attach(eni: Eni, deviceIndex: number, signal: AbortSignal): Promise<void> {
      const { eniId } = eni;
      const claim = nextClaim(eni, identity, ports.random.uuid());
      await ec2.createClaim(eniId, instanceArn(identity), claim, signal);
      await ec2.attach({ eniId, instanceId, deviceIndex, networkCardIndex: 0 }, signal);
    }
  });
