// What happens in a simulated fleet: the facts that checkers judge, that make the trace, and that the story tells.
import type { ErrorCode } from '../../src/errors.ts';
import type { Ec2 } from '../../src/claim/ec2.ts';
import type { Eni } from '../../src/model/eni.ts';
import type { Phase } from '../../src/model/status.ts';
import type { InstanceState, LabEni } from '../lab/ec2-world.ts';
import type { Host } from './host.ts';

/** One call of a process to EC2. */
export type Call = {
  readonly id: number;
  readonly method: keyof Ec2;
  readonly host: Host;
  /** Which life of the process: 1, 2, ... */
  readonly life: number;
  readonly sentAtMs: number;
  /** While its process gave its ENI back. */
  readonly isReleasing: boolean;
  /** The first argument that names something: an ENI, a pool, an attachment, an instance. */
  readonly target: string;
  readonly change?: Change;
};

/** What the call asks EC2 to change, as it goes over the wire. */
export type Change =
  | {
      readonly do: 'attach';
      readonly eniId: string;
      readonly instanceId: string;
      readonly deviceIndex: number;
      readonly networkCardIndex: number | undefined;
    }
  | { readonly do: 'detach'; readonly attachmentId: string; readonly force: boolean }
  | {
      readonly do: 'create-tags';
      readonly eniId: string;
      readonly tags: Readonly<Record<string, string>>;
    }
  | {
      readonly do: 'delete-tags';
      readonly eniId: string;
      /** undefined: without a list, which deletes all of them. */
      readonly list:
        | readonly { readonly key: string; readonly value: string | undefined }[]
        | undefined;
    }
  | {
      readonly do: 'modify';
      readonly eniId: string;
      readonly attachmentId: string;
      readonly deleteOnTermination: boolean;
    }
  | { readonly do: 'stop'; readonly instanceId: string };

/** Why a process ended. */
export type End = 'killed' | 'stopped' | 'failed';

export type Fact =
  /** It leaves the process. */
  | { readonly what: 'call'; readonly call: Call; readonly fault: string | undefined }
  /** EC2 is about to do it; the truth is as it was before. */
  | { readonly what: 'arrival'; readonly call: Call }
  /** EC2 did it, or refused by this AWS code. */
  | { readonly what: 'effect'; readonly call: Call; readonly refusal: string | undefined }
  /** The process hears of it. `enis`: what a Describe showed, `lagMs` old. */
  | {
      readonly what: 'answer';
      readonly call: Call;
      readonly code: ErrorCode | 'ok';
      readonly lagMs: number;
      readonly enis: readonly Eni[] | undefined;
    }
  | { readonly what: 'eni'; readonly eniId: string; readonly eni: LabEni | undefined }
  | { readonly what: 'instance'; readonly instanceId: string; readonly state: InstanceState }
  | { readonly what: 'start'; readonly host: Host }
  | {
      readonly what: 'end';
      readonly host: Host;
      readonly by: End;
      readonly why: string;
      /** Of the error that it failed with. */
      readonly code: ErrorCode | undefined;
    }
  | {
      readonly what: 'news';
      readonly host: Host;
      readonly pool: string;
      readonly phase: Phase;
      readonly ready: boolean;
      readonly message: string;
    }
  /** The kernel has a device with this MAC, or has it no more. */
  | {
      readonly what: 'device';
      readonly host: Host;
      readonly mac: string;
      readonly isThere: boolean;
    }
  | { readonly what: 'routes'; readonly host: Host; readonly mac: string; readonly areSet: boolean }
  /** To an instance or an ENI, by a person, by AWS, by fate. */
  | {
      readonly what: 'misfortune';
      readonly name: string;
      readonly host: Host | undefined;
      readonly eniId: string | undefined;
    }
  /** No faults from now on. */
  | { readonly what: 'calm' }
  /** Nothing is to be done any more: from now on it only looks after what it has. */
  | { readonly what: 'quiet' };

export type Observer = (fact: Fact) => void;
