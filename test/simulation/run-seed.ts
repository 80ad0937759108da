// One seed under a protocol and, perhaps, a mutant.
import { mutants } from './mutants.ts';
import { protocols, type Protocol } from './protocols.ts';
import { simulate, type SimulateOptions, type Verdict } from './simulate.ts';
import { createStory } from './story.ts';

export type Choice = { readonly protocol: Protocol; readonly mutant: string | undefined };
export type SeedReport = Verdict;

export function runSeed(
  { protocol, mutant }: Choice,
  seed: number,
  tell?: (line: string) => void,
): Promise<SeedReport> {
  const options: SimulateOptions = {
    startProgram: protocols[protocol],
    ...(mutant === undefined ? {} : mutants[mutant]!.change),
    ...(tell === undefined ? {} : { observe: (world) => createStory(world, tell) }),
  };
  return simulate(seed, options);
}
