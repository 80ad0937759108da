// What is wrong with paths now: each said once in the log, until it changes or is over.
import type { Log } from '../log.ts';

export type Troubles = {
  /** undefined: all is well with the path. */
  readonly say: (path: string, message: string | undefined) => void;
  /** The most recent trouble that is not over. */
  last(): string | undefined;
};

/** No trouble yet, but worth a line. */
export const noMatch = 'no file matches yet';

export function createTroubles(log: Log): Troubles {
  const troubles = new Map<string, string>();
  return {
    say: (path, message) => {
      const before = troubles.get(path);
      if (message === before) return;
      troubles.delete(path);
      if (message !== undefined) troubles.set(path, message);
      if (message === noMatch) log.info({ path }, noMatch);
      else if (message !== undefined) {
        log.warn({ path, error: message }, 'cannot read a log file; trying again and again');
      } else if (before !== noMatch) log.info({ path, before }, 'the log file can be read again');
    },
    last: () => [...troubles.values()].findLast((message) => message !== noMatch),
  };
}
