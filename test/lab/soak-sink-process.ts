// Starts the sink of `npm run soak` and speaks with it.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { FromSink, Progress, ToSink } from './soak-sink.ts';

type Compared = Extract<FromSink, { readonly kind: 'compared' }>;

export type Sink = Disposable & {
  readonly port: number;
  readonly progress: () => Progress;
  tell(message: ToSink): void;
  compare(written: Readonly<Record<string, number>>): Promise<Compared>;
};

export async function startSink(onProgress: (progress: Progress) => void): Promise<Sink> {
  const child = fork(join(import.meta.dirname, 'soak-sink.ts'), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  let progress: Progress = {
    moved: {},
    calls: 0,
    arrived: 0,
    repeated: 0,
    mayRepeat: 0,
    misplaced: 0,
    disorder: [],
    refused: 0,
    wrong: [],
    resumedMs: {},
  };
  let compared: ((message: Compared) => void) | undefined;
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('message', (message: FromSink) => {
    if (message.kind === 'listening') resolve(message.port);
    else if (message.kind === 'compared') compared?.(message);
    else onProgress((progress = message));
  });
  const port = await promise;
  return {
    port,
    progress: () => progress,
    tell: (message) => void child.send(message),
    compare: (written) =>
      new Promise((done) => {
        compared = done;
        child.send({ kind: 'compare', written });
      }),
    [Symbol.dispose]: () => child.disconnect(),
  };
}
