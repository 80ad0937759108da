// The patterns of all sources, compiled once; their engine is loaded only where one of them needs it.
import { basename, join } from 'node:path';
import type { LogSource } from '../model/logs.ts';
import { isCodePage, loadCodePages } from '../system/code-pages.ts';
import { createGlob, type Glob } from '../system/glob.ts';
import { loadPatterns } from '../system/patterns.ts';
import { createSplitter, needsPatterns, type Splitter } from './splitter.ts';

export type CompiledSources = {
  readonly splitterOf: (source: LogSource) => Splitter;
  readonly globOf: (source: LogSource) => Glob;
  /** Is the file neither on the blacklist of the source nor berth's own? */
  readonly isWanted: (source: LogSource, path: string) => boolean;
};

/** `ownFolder`: what stands there is shipped only where a source lies there too, as those of the spools do. */
export async function compileSources(
  sources: readonly LogSource[],
  ownFolder: string,
): Promise<CompiledSources> {
  const needed = sources.some((one) => one.blacklist !== undefined || needsPatterns(one));
  const compile = needed ? await loadPatterns() : undefined;
  const hasPages = sources.some(({ encoding }) => isCodePage(encoding));
  const codePages = hasPages ? await loadCodePages() : undefined;
  const compiled = new Map(
    sources.map((source) => [
      source,
      {
        glob: createGlob(source.filePath),
        isOwn: source.filePath.startsWith(join(ownFolder, '/')),
        splitter: createSplitter(source, compile, codePages),
        blacklist: source.blacklist === undefined ? undefined : compile!(source.blacklist),
      },
    ]),
  );
  return {
    splitterOf: (source) => compiled.get(source)!.splitter,
    globOf: (source) => compiled.get(source)!.glob,
    isWanted: (source, path) => {
      const { blacklist, isOwn } = compiled.get(source)!;
      if (!isOwn && path.startsWith(join(ownFolder, '/'))) return false;
      return blacklist?.test(basename(path)) !== true;
    },
  };
}
