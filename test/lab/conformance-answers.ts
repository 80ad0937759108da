// The answers of a conformance run as a file: nothing of the account in it, and comparable with another run.
import type { Answers } from './probe-run.ts';

export type AnswersFile = {
  readonly mode: string;
  /** Of the run. */
  readonly day: string;
  readonly answers: readonly {
    readonly probe: string;
    readonly said: string;
    readonly text?: string;
  }[];
};

export function answersFile(
  answers: Answers,
  about: { readonly mode: string; readonly nowMs: number; readonly run: string },
): AnswersFile {
  return {
    mode: about.mode,
    day: new Date(about.nowMs).toISOString().slice(0, 10),
    answers: [...answers].map(([probe, { said, text }]) => ({
      probe,
      said: redact(said, about.run),
      ...(text === undefined ? {} : { text: redact(text, about.run) }),
    })),
  };
}

/** Ids, accounts, ARNs, addresses, keys and anything that is long enough to be one. */
export function redact(text: string, run: string): string {
  return text
    .replaceAll(run, 'RUN')
    .replaceAll(/arn:[^\s"'\])]+/g, 'ARN')
    .replaceAll(/\b([a-z]+(?:-attach)?)-[0-9a-f]{8,17}\b/g, '$1-*')
    .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, 'UUID')
    .replaceAll(/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/gi, 'MAC')
    .replaceAll(/\b\d{1,3}([.-])\d{1,3}\1\d{1,3}\1\d{1,3}\b/g, 'IP')
    .replaceAll(/\b\d{12}\b/g, 'ACCOUNT')
    .replaceAll(/\bA[A-Z]{3}[A-Z0-9]{12,}\b/g, 'KEY')
    .replaceAll(/[A-Za-z0-9+/=_-]{40,}/g, 'LONG');
}

/** Where two runs both have an answer, and not the same. The texts of errors do not count. */
export function differences(one: AnswersFile, other: AnswersFile): readonly string[] {
  const said = new Map(other.answers.map((answer) => [answer.probe, answer.said]));
  return one.answers.flatMap((answer) => {
    const theirs = said.get(answer.probe);
    if (theirs === undefined || theirs === answer.said) return [];
    if (`${theirs} ${answer.said}`.includes('not asked: ')) return [];
    return [`${answer.probe}: ${answer.said} / ${theirs}`];
  });
}
