// The algorithms that the simulator can run: berth's own, and two that must fail, or the simulator is blind.
import { startRetryOnError } from './policies/retry-on-error.ts';
import { startTagIsLock } from './policies/tag-is-lock.ts';
import { startBerth, type StartProgram } from './program.ts';

export const protocols = {
  berth: startBerth,
  'tag-is-lock': startTagIsLock,
  'retry-on-error': startRetryOnError,
} as const satisfies Readonly<Record<string, StartProgram>>;

export type Protocol = keyof typeof protocols;
