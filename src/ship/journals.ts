// All selections of the journal: each read and sent by itself, from where CloudWatch has it.
import { join } from 'node:path';
import type { LogsConfig } from '../model/logs.ts';
import { loadPatterns } from '../system/patterns.ts';
import type { Files } from '../system/files.ts';
import type { MakeTarget } from './create-target.ts';
import { loadCursors } from './cursors.ts';
import { createJournal, type Journal, type JournalDeps } from './journal.ts';

export type Journals = {
  readonly all: readonly Journal[];
  /** Resolves when what was read is sent, or needs a person. */
  finish(): Promise<void>;
};

type Deps = Omit<JournalDeps, 'cursors' | 'createTarget' | 'onFailure'> & {
  readonly files: Files;
  readonly makeTarget: MakeTarget;
};

/** They run until `finish`, or until `signal` aborts. */
export async function startJournals(
  deps: Deps,
  { journals, forceFlushMs }: Pick<LogsConfig, 'journals' | 'forceFlushMs'>,
  folder: string,
  signal: AbortSignal,
): Promise<Journals> {
  const ending = new AbortController();
  if (journals.length === 0) return { all: [], finish: async () => undefined };
  const cursors = await loadCursors(deps, join(folder, 'journal-cursors.json'));
  const compile = journals.some(({ filters }) => filters.length > 0)
    ? await loadPatterns()
    : undefined;
  const all = journals.map((source) => {
    const createTarget: JournalDeps['createTarget'] = (target, signal) =>
      deps.makeTarget(target, source.groupOptions, signal);
    return createJournal({ ...deps, createTarget, cursors }, source, { forceFlushMs, compile });
  });
  const runs = all.map((journal) => journal.run(ending.signal, signal).catch(() => undefined));
  return {
    all,
    finish: async () => {
      ending.abort();
      await Promise.all(runs);
    },
  };
}
