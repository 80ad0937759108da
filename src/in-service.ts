// Serves while Auto Scaling has this instance in service, or no group has it; idle while it is in a warm pool.
import { untilInService, type TargetStateDeps } from './boot/target-state.ts';
import type { Signals } from './tell/signals.ts';
import type { StatusBoard } from './tell/status-board.ts';

export type InServiceInput = {
  /** undefined: nobody is told. */
  readonly signals: Signals | undefined;
  /** Ends by the signal's reason, or as it likes. `idle` ends it: the instance is in the warm pool again. */
  readonly serve: (signal: AbortSignal, idle: () => void) => Promise<never>;
};

/** Ends by the signal's reason, or as `serve` does. */
export async function whileInService(
  deps: TargetStateDeps & { readonly board: StatusBoard },
  { signals, serve }: InServiceInput,
  signal: AbortSignal,
): Promise<never> {
  const onWarm = (state: string): void => {
    deps.board.withdraw('warm', `in the warm pool (${state}): claiming when in service`);
    if (state === 'Warmed:Terminated') void signals?.leaving(() => Promise.resolve());
    else signals?.warm();
  };
  for (;;) {
    await untilInService(deps, onWarm, signal);
    signals?.serving();
    const life = new AbortController();
    try {
      const idle = (): void => life.abort(new Error('in the warm pool'));
      return await serve(AbortSignal.any([signal, life.signal]), idle);
    } catch (error) {
      if (signal.aborted || !life.signal.aborted) throw error;
    }
  }
}
