// Earlier answers of Describe calls, to be given again: reads of EC2 lag behind its writes.
import type { ChaosOperation } from './chaos-operation.ts';
import type { WireAnswer } from './chaos-errors.ts';

export type ChaosMemory = {
  keep(key: string, answer: WireAnswer): void;
  /** The oldest that is not too old. */
  recall(key: string): WireAnswer | undefined;
};

/** claim.md section 7. */
export const staleMs = 5_000;

export function createMemory(nowMs: () => number): ChaosMemory {
  const kept = new Map<string, { readonly atMs: number; readonly answer: WireAnswer }[]>();
  const young = (key: string) =>
    (kept.get(key) ?? []).filter(({ atMs }) => nowMs() - atMs <= staleMs);
  return {
    keep: (key, answer) => void kept.set(key, [...young(key), { atMs: nowMs(), answer }]),
    recall: (key) => young(key)[0]?.answer,
  };
}

/** Of the same question by the same caller; undefined: not a read of EC2. */
export function memoryKey(
  { service, action }: ChaosOperation,
  authorization: string | undefined,
  body: Buffer,
): string | undefined {
  if (service !== 'ec2' || !action.startsWith('Describe')) return undefined;
  return `${/Credential=([^/]+)/.exec(authorization ?? '')?.[1]} ${body.toString()}`;
}
