// Makes the stream of a target, and its group where that is missing too; each group once, however many streams want it.
import { hasCode } from '../errors.ts';
import type { CloudWatchLogs } from './cloudwatch.ts';
import type { LogTarget } from './log-target.ts';

/** Throws as CloudWatchLogs does. */
export type CreateTarget = (target: LogTarget, signal: AbortSignal) => Promise<void>;

export function createTargetMaker(cloudwatch: CloudWatchLogs): CreateTarget {
  const groups = new Map<string, Promise<void>>();

  const createGroup = async (group: string, signal: AbortSignal): Promise<void> => {
    let making = groups.get(group);
    if (making === undefined) {
      making = unlessThere(cloudwatch.createGroup(group, signal)).finally(() =>
        groups.delete(group),
      );
      groups.set(group, making);
    }
    await making;
  };

  return async (target, signal) => {
    try {
      await unlessThere(cloudwatch.createStream(target, signal));
    } catch (error) {
      if (!hasCode(error, 'log-target-missing')) throw error;
      await createGroup(target.group, signal);
      await unlessThere(cloudwatch.createStream(target, signal));
    }
  };
}

async function unlessThere(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!hasCode(error, 'log-exists')) throw error;
  }
}
