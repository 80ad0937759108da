// Asks all probes of a ground, one after another.
import type { Ground } from './probe-ground.ts';
import { NotAsked, type Answer, type Probe } from './probe.ts';

export type Answers = ReadonlyMap<string, Answer>;

/** Takes away after each probe what it made. Throws where a probe got no answer. */
export async function askAll(
  probes: readonly Probe[],
  ground: Ground,
  tell: (name: string, answer: Answer) => void = () => undefined,
): Promise<Answers> {
  const answers = new Map<string, Answer>();
  for (const probe of probes) {
    const answer = await ask(probe, ground);
    answers.set(probe.name, answer);
    tell(probe.name, answer);
  }
  return answers;
}

async function ask(probe: Probe, ground: Ground): Promise<Answer> {
  try {
    return await probe.ask(ground);
  } catch (error) {
    if (error instanceof NotAsked) {
      return { said: `not asked: ${error.message}`, text: undefined };
    }
    throw new Error(`cannot ask "${probe.name}"`, { cause: error });
  } finally {
    await ground.clear();
  }
}
