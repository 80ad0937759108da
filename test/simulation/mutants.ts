// One mistake for each invariant: what its checker must catch, or it is blind. The mistakes are made in the ports of a
// process, so that the code of berth stays as it is.
import { tagKeys } from '../../src/claim/tags.ts';
import { BerthError, hasCode } from '../../src/errors.ts';
import type { Ec2 } from '../../src/claim/ec2.ts';
import type { Eni } from '../../src/model/eni.ts';
import type { Invariant } from './checkers/checker.ts';
import type { Plan } from './plan.ts';
import type { Process } from './process.ts';
import { startBerth, type SimPorts, type StartProgram } from './program.ts';
import type { SimulateOptions } from './simulate.ts';

export type Mutant = {
  readonly breaks: Invariant;
  readonly change: SimulateOptions;
};

const ofEc2 = (
  change: (ec2: Ec2, ports: SimPorts, process: Process) => Partial<Ec2>,
): SimulateOptions => ({
  mutate: (ports, process) => ({
    ...ports,
    ec2: { ...ports.ec2, ...change(ports.ec2, ports, process) },
  }),
});

/** Small fleets in which the mistake has its chance. */
const where = (plan: Partial<Plan>, more: SimulateOptions): SimulateOptions => ({
  ...more,
  changePlan: (drawn) => ({ ...drawn, ...plan }),
});

const few = {
  instances: 3,
  enis: 2,
  pools: 1,
  standbys: 0,
  elsewhere: 0,
  waitMs: undefined,
} as const;

export const mutants: Readonly<Record<string, Mutant>> = {
  'next-after-lost-reply': {
    breaks: 'S1',
    change: {
      ...ofEc2((ec2) => ({
        attach: (input, signal) =>
          ec2.attach(input, signal).catch((error: unknown) => {
            if (!hasCode(error, 'aws-unknown-outcome')) throw error;
            throw new BerthError('eni-unsuitable', error.message);
          }),
      })),
      changePlan: (plan) => ({
        ...plan,
        ...few,
        enis: 8,
        instanceType: 't3.medium',
        calls: { ...plan.calls, replyLost: 0.2 },
      }),
    },
  },
  'claims-never-dropped': {
    breaks: 'S2',
    change: {
      ...ofEc2(() => ({ deleteClaim: () => Promise.resolve() })),
      changePlan: (plan) => ({
        ...plan,
        ...few,
        enis: 8,
        misfortunes: { ...plan.misfortunes, 'owner-overwritten': 1 },
      }),
    },
  },
  'routes-never-set': {
    breaks: 'S3',
    change: {
      mutate: (ports) => ({
        ...ports,
        routing: { ...ports.routing, apply: (plan) => Promise.resolve(plan) },
      }),
    },
  },
  'in-use-is-lost': {
    breaks: 'S4',
    change: where(
      { ...few, enis: 4 },
      ofEc2((ec2) => ({
        describeEni: async (eniId, signal) => {
          const eni = await ec2.describeEni(eniId, signal);
          return eni?.attachment === undefined ? eni : asAnothers(eni);
        },
      })),
    ),
  },
  'tags-deleted-without-value': {
    breaks: 'S5',
    change: {
      onTheWire: (change) =>
        change.do === 'delete-tags'
          ? { ...change, list: [{ key: tagKeys.owner, value: undefined }] }
          : change,
    },
  },
  'owner-not-read': {
    breaks: 'S6',
    change: where(
      few,
      ofEc2((ec2) => ({
        describePool: async (pool, signal) =>
          (await ec2.describePool(pool, signal)).map((eni) =>
            eni.status === 'available' ? withoutOwner(eni) : eni,
          ),
      })),
    ),
  },
  'card-left-out': {
    breaks: 'S7',
    change: {
      onTheWire: (change) =>
        change.do === 'attach' ? { ...change, networkCardIndex: undefined } : change,
    },
  },
  'one-read-is-enough': {
    breaks: 'S8',
    change: {
      changePlan: (plan) => ({
        ...plan,
        ...few,
        safetyMs: 400_000,
        calls: { ...plan.calls, omission: 0.2, omissionMs: 4_000 },
      }),
      // The time between two reads that have to agree (src/claim/calls.ts).
      mutate: (ports) => ({ ...ports, clock: withSleep(ports, (ms) => (ms === 6_000 ? 0 : ms)) }),
    },
  },
  'take-before-fence': {
    breaks: 'S9',
    change: {
      ...ofEc2(() => ({ stop: () => Promise.resolve('stopped') })),
      changePlan: (plan) => ({
        ...plan,
        ...few,
        enis: 1,
        standbys: 1,
        fence: 'stop',
        misfortunes: { ...plan.misfortunes, impaired: 1, 'stop-start': 0 },
      }),
    },
  },
  'starts-from-nothing': {
    breaks: 'S10',
    change: {
      changePlan: (plan) => ({
        ...plan,
        ...few,
        enis: 4,
        instanceType: 't3.medium',
        misfortunes: { ...plan.misfortunes, crash: 1 },
      }),
      mutate: (ports, { host }) => ({
        ...ports,
        files: { ...ports.files, readText: () => Promise.resolve(undefined) },
        ec2: {
          ...ports.ec2,
          describePool: async (pool, signal) =>
            (await ports.ec2.describePool(pool, signal)).filter(
              ({ attachment }) => attachment?.instanceId !== host.instanceId,
            ),
        },
      }),
    },
  },
  'delete-on-termination-stays': {
    breaks: 'S11',
    change: {
      ...ofEc2(() => ({ keepOnTermination: () => Promise.resolve() })),
      changePlan: (plan) => ({
        ...plan,
        ...few,
        mayKeep: true,
        misfortunes: { ...plan.misfortunes, 'delete-on-termination': 1 },
      }),
    },
  },
  impatient: {
    breaks: 'S12',
    change: where(
      { ...few, safetyMs: 30_000 },
      { mutate: (ports) => ({ ...ports, clock: withSleep(ports, (ms) => ms / 20) }) },
    ),
  },
  'discouraged-by-an-error': {
    breaks: 'L1',
    change: where(
      { ...few, enis: 4 },
      ofEc2((ec2, _ports, { host }) => {
        let isDiscouraged = false;
        return {
          describePool: async (pool, signal) => {
            const enis = await ec2.describePool(pool, signal).catch((error: unknown) => {
              isDiscouraged = true;
              throw error;
            });
            return enis.filter(
              ({ attachment }) => !isDiscouraged || attachment?.instanceId === host.instanceId,
            );
          },
        };
      }),
    ),
  },
  'waits-silently': {
    breaks: 'L2',
    change: where(few, {
      mutate: (ports) => ({
        ...ports,
        boardOf: (pool) => {
          const board = ports.boardOf(pool);
          return {
            ...board,
            progress: (phase, message) =>
              board.progress(phase === 'waiting-for-eni' ? 'claiming' : phase, message),
          };
        },
      }),
    }),
  },
  'owners-never-die': {
    breaks: 'L3',
    change: {
      ...ofEc2((ec2) => ({
        describeInstance: async (id, signal) => {
          const instance = await ec2.describeInstance(id, signal);
          const unknown = {
            attachments: [],
            privateIpv4: undefined,
            tags: {},
            profileArn: undefined,
          };
          return { ...unknown, ...instance, state: 'running' };
        },
      })),
      changePlan: (plan) => ({
        ...plan,
        ...few,
        takeOverStale: true,
        misfortunes: { ...plan.misfortunes, terminate: 1, 'owner-overwritten': 0.5 },
      }),
    },
  },
  'loser-keeps-its-name': {
    breaks: 'L4',
    change: {
      ...ofEc2(() => ({ deleteClaim: () => Promise.resolve() })),
      changePlan: (plan) => ({
        ...plan,
        ...few,
        misfortunes: { ...plan.misfortunes, 'owner-overwritten': 1 },
      }),
    },
  },
  'ends-when-it-waits': {
    breaks: 'L5',
    change: where(few, { startProgram: endsWhenItWaits() }),
  },
};

function asAnothers(eni: Eni): Eni {
  return { ...eni, attachment: { ...eni.attachment!, instanceId: 'i-ffffffff' } };
}

function withoutOwner(eni: Eni): Eni {
  const { [tagKeys.owner]: _owner, ...tags } = eni.tags;
  return { ...eni, tags };
}

function withSleep({ clock }: SimPorts, change: (ms: number) => number): SimPorts['clock'] {
  return { ...clock, sleep: (ms, signal) => clock.sleep(change(ms), signal) };
}

/** As if systemd's restart were the way to look again. */
function endsWhenItWaits(): StartProgram {
  return (ports, input) => {
    const berth = startBerth(ports, input);
    return {
      ...berth,
      run: async (signal) => {
        const isOver = new AbortController();
        const life = AbortSignal.any([signal, isOver.signal]);
        const waits = (async (): Promise<never> => {
          await ports.clock.sleep(60_000, life);
          return Promise.reject(new BerthError('timeout', 'cannot wait any longer'));
        })();
        return Promise.race([berth.run(life), waits]).finally(() => isOver.abort());
      },
    };
  };
}
