// Where probes ask: clients, two instances, and things that are made for a probe, marked, and taken away after it.
import * as sdk from '@aws-sdk/client-ec2';
import type { Clock } from '../../src/system/clock.ts';
import {
  createClients,
  type Clients,
  type Credentials,
  type ProbeTarget,
} from './probe-clients.ts';
import { NotAsked } from './probe.ts';
import { markKey, sweep, sweepEnis, sweepLogGroups, sweepParameters } from './probe-sweep.ts';

export type Place = {
  /** Running, of one subnet; ENIs come and go on them at indexes from 1. */
  readonly instances: readonly [string, string];
  readonly subnetId: string;
  /** In another zone of the same VPC. */
  readonly farSubnetId: string | undefined;
};

/** What only some grounds can do. */
export type Powers = {
  /** A running instance that the probe may end. */
  launch(): Promise<string>;
  /** Keys of an instance's role, or of a user, with these policies alone. */
  limited(policy: object): Promise<Credentials>;
  /** An instance that is gone and still visible. */
  readonly terminated: string;
  /** Attaches stay under way until it is disposed. */
  slow(): Disposable;
};

export type GroundOptions = {
  readonly target: ProbeTarget;
  readonly clock: Clock;
  /** undefined: nothing may be created. */
  readonly place: Place | undefined;
  readonly powers: Partial<Powers>;
  /** Of the marks and names of this run. */
  readonly run: string;
};

export type Ground = AsyncDisposable &
  Omit<Clients, typeof Symbol.dispose> & {
    readonly clock: Clock;
    readonly place: Place;
    readonly powers: Powers;
    /** The keys in use. */
    credentials(): Promise<Credentials>;
    /** Clients with other keys. */
    as(credentials: Credentials): Clients;
    /** A new ENI in the subnet, marked. */
    eni(input?: Partial<sdk.CreateNetworkInterfaceCommandInput>): Promise<sdk.NetworkInterface>;
    /** The same with an id alone. */
    eniId(): Promise<string>;
    look(eniId: string): Promise<sdk.NetworkInterface>;
    /** Waits until it is attached, at the lowest free index; returns the attachment. */
    attach(
      eniId: string,
      instanceId: string,
    ): Promise<{ readonly attachmentId: string; readonly deviceIndex: number }>;
    /** Waits until the ENI is available. */
    detach(attachmentId: string, eniId: string): Promise<void>;
    freeIndex(instanceId: string): Promise<number>;
    /** For parameters and log groups: below the mark of this run, new at each call. */
    name(): string;
    readonly marks: readonly sdk.TagSpecification[];
    /** Takes away what was made since the last time. */
    clear(): Promise<void>;
  };

const maxWaitMs = 180_000;
const pollMs = 1_000;

export function createGround(options: GroundOptions): Ground {
  const { clock, run, target } = options;
  const clients = createClients(target);
  // What cleans up must not stop with the rest.
  const { signal = new AbortController().signal, ...unguarded } = target;
  const cleaning = createClients(unguarded);
  const others: Clients[] = [];
  const { ec2 } = clients;
  let count = 0;
  const known = { enis: new Set<string>(), names: new Set<string>() };
  let everCreated = false;
  const marks: readonly sdk.TagSpecification[] = [
    { ResourceType: 'network-interface', Tags: [{ Key: markKey, Value: run }] },
  ];
  const placeOf = (): Place => {
    if (options.place === undefined) throw new NotAsked('nothing may be created');
    return options.place;
  };
  const look = async (eniId: string): Promise<sdk.NetworkInterface> => {
    const ids = { NetworkInterfaceIds: [eniId] };
    const answer = await ec2.send(new sdk.DescribeNetworkInterfacesCommand(ids));
    return answer.NetworkInterfaces![0]!;
  };
  const until = async (done: () => Promise<boolean>): Promise<void> => {
    const startMs = clock.monotonicMs();
    while (!(await done())) {
      if (clock.monotonicMs() - startMs > maxWaitMs) throw new Error('it took too long');
      await clock.sleep(pollMs, signal);
    }
  };
  const freeIndex = async (instanceId: string): Promise<number> => {
    const answer = await ec2.send(new sdk.DescribeInstancesCommand({ InstanceIds: [instanceId] }));
    const held = answer.Reservations![0]!.Instances![0]!.NetworkInterfaces!.map(
      (eni) => eni.Attachment?.DeviceIndex,
    );
    let index = 1;
    while (held.includes(index)) index++;
    return index;
  };
  const eni: Ground['eni'] = async (input = {}) => {
    const { subnetId } = placeOf();
    everCreated = true;
    const answer = await ec2.send(
      new sdk.CreateNetworkInterfaceCommand({
        SubnetId: subnetId,
        Description: 'berth conformance',
        TagSpecifications: [...marks],
        ...input,
      }),
    );
    known.enis.add(answer.NetworkInterface!.NetworkInterfaceId!);
    return answer.NetworkInterface!;
  };
  const clear = async (): Promise<void> => {
    if (known.enis.size > 0) await sweepEnis(cleaning.ec2, clock, run, known.enis);
    known.enis.clear();
    if (known.names.size > 0) {
      await sweepParameters(cleaning.ssm, run, known.names);
      await sweepLogGroups(cleaning.logs, run);
    }
    known.names.clear();
  };
  return {
    ...clients,
    clock,
    marks,
    get place() {
      return placeOf();
    },
    powers: powersOf(options.powers),
    credentials: () => clients.ec2.config.credentials(),
    as: (credentials) => {
      const made = createClients({ ...target, credentials });
      others.push(made);
      return made;
    },
    eni,
    eniId: async () => (await eni()).NetworkInterfaceId!,
    look,
    freeIndex,
    attach: async (eniId, instanceId) => {
      const deviceIndex = await freeIndex(instanceId);
      const { AttachmentId } = await ec2.send(
        new sdk.AttachNetworkInterfaceCommand({
          NetworkInterfaceId: eniId,
          InstanceId: instanceId,
          DeviceIndex: deviceIndex,
        }),
      );
      await until(async () => (await look(eniId)).Attachment?.Status === 'attached');
      return { attachmentId: AttachmentId!, deviceIndex };
    },
    detach: async (attachmentId, eniId) => {
      await ec2.send(new sdk.DetachNetworkInterfaceCommand({ AttachmentId: attachmentId }));
      await until(async () => (await look(eniId)).Status === 'available');
    },
    name: () => {
      placeOf();
      everCreated = true;
      const path = `${markKey}/${run}/${++count}`;
      // Without the slash AWS refuses it; who takes it must lose it too.
      known.names.add(path);
      return `/${path}`;
    },
    clear,
    [Symbol.asyncDispose]: async () => {
      try {
        await clear();
        if (everCreated) await sweep(cleaning, clock, run);
      } finally {
        for (const made of [clients, cleaning, ...others]) made[Symbol.dispose]();
      }
    },
  };
}

function lacks(what: string): () => never {
  return () => {
    throw new NotAsked(what);
  };
}

function powersOf(powers: Partial<Powers>): Powers {
  return {
    launch: powers.launch ?? lacks('no instance to end'),
    limited: powers.limited ?? lacks('no other keys'),
    get terminated() {
      return powers.terminated ?? lacks('no terminated instance is visible')();
    },
    slow: powers.slow ?? (() => ({ [Symbol.dispose]: () => undefined })),
  };
}
