// Makes the stream of a target, and its group where that is missing too; each group once, however many streams want it.
import { hasCode } from '../errors.ts';
import type { GroupOptions } from '../model/logs.ts';
import type { CloudWatchLogs } from './cloudwatch.ts';
import type { LogTarget } from './log-target.ts';

/** Throws as CloudWatchLogs does. */
export type MakeTarget = (
  target: LogTarget,
  options: GroupOptions,
  signal: AbortSignal,
) => Promise<void>;

/** `onMade`: a group is new, and has its class, key and tags, but no retention. */
export function createTargetMaker(
  cloudwatch: CloudWatchLogs,
  onMade: (group: string, options: GroupOptions) => void,
): MakeTarget {
  const groups = new Map<string, Promise<void>>();

  const createGroup = async (
    group: string,
    options: GroupOptions,
    signal: AbortSignal,
  ): Promise<void> => {
    let making = groups.get(group);
    if (making === undefined) {
      const create = async (): Promise<void> => {
        if (await unlessThere(cloudwatch.createGroup(group, options, signal))) {
          onMade(group, options);
        }
      };
      making = create().finally(() => groups.delete(group));
      groups.set(group, making);
    }
    await making;
  };

  return async (target, options, signal) => {
    try {
      await unlessThere(cloudwatch.createStream(target, signal));
    } catch (error) {
      if (!hasCode(error, 'log-target-missing')) throw error;
      await createGroup(target.group, options, signal);
      await unlessThere(cloudwatch.createStream(target, signal));
    }
  };
}

/** false: it was there already. */
async function unlessThere(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (!hasCode(error, 'log-exists')) throw error;
    return false;
  }
}
