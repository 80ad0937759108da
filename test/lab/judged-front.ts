// The lab's HTTP server with the API models as the judge of every call.
import { findApiModels } from './api-models.ts';
import { createFront, type Front, type FrontOptions } from './front.ts';
import { createLabJudge, type LabJudge } from './judge-record.ts';

export type JudgedFront = Front & {
  /** Holds every call and every answer against the API models. */
  readonly judge: Omit<LabJudge, 'close'>;
};

const apiModels = findApiModels();

export async function createJudgedFront(
  options: Omit<FrontOptions, 'onExchange'>,
): Promise<JudgedFront> {
  const judge = createLabJudge(apiModels);
  const front = await createFront({ ...options, onExchange: judge.hear });
  return {
    ...front,
    judge,
    [Symbol.asyncDispose]: async () => {
      await front[Symbol.asyncDispose]();
      judge.close();
    },
  };
}
