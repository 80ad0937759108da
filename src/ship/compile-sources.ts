// The patterns of all sources, compiled once; their engine is loaded only where one of them needs it.
import { basename } from 'node:path';
import type { LogSource } from '../model.ts';
import { loadPatterns } from '../system/patterns.ts';
import { createSplitter, needsPatterns, type Splitter } from './splitter.ts';

export type CompiledSources = {
  readonly splitterOf: (source: LogSource) => Splitter;
  /** Is the file not on the blacklist of the source? */
  readonly isWanted: (source: LogSource, path: string) => boolean;
};

export async function compileSources(sources: readonly LogSource[]): Promise<CompiledSources> {
  const needed = sources.some((one) => one.blacklist !== undefined || needsPatterns(one));
  const compile = needed ? await loadPatterns() : undefined;
  const compiled = new Map(
    sources.map((source) => [
      source,
      {
        splitter: createSplitter(source, compile),
        blacklist: source.blacklist === undefined ? undefined : compile!(source.blacklist),
      },
    ]),
  );
  return {
    splitterOf: (source) => compiled.get(source)!.splitter,
    isWanted: (source, path) => compiled.get(source)!.blacklist?.test(basename(path)) !== true,
  };
}
