// A question that is asked again and again in the background, by somebody who must not wait for the answer.
import type { Clock } from './clock.ts';

export type Question<T> = {
  /** The answer that came since the last call, if any; starts the next question when it is time. */
  ask(): T | undefined;
};

/** `firstMs`, `everyMs`: so long after now, and after the last one. A question that fails has no answer. `onAnswer`: somebody may call `ask`. */
export function createQuestion<T>(
  { clock }: { readonly clock: Clock },
  { firstMs, everyMs }: { readonly firstMs: number; readonly everyMs: number },
  onAnswer: () => void,
  question: () => Promise<T>,
): Question<T> {
  let atMs = clock.monotonicMs() + firstMs;
  let isUnderWay = false;
  let answer: T | undefined;

  const start = async (): Promise<void> => {
    try {
      answer = await question();
      onAnswer();
    } catch {
      answer = undefined;
    } finally {
      isUnderWay = false;
    }
  };
  return {
    ask: () => {
      if (!isUnderWay && clock.monotonicMs() >= atMs) {
        atMs = clock.monotonicMs() + everyMs;
        isUnderWay = true;
        void start();
      }
      const given = answer;
      answer = undefined;
      return given;
    },
  };
}
