// Tells the services of AWS that wait for this instance: a stack that it is ready or has failed, and the hooks of its Auto
// Scaling group when they may go on. Nothing here waits for any of them, and nothing ever throws but the signal's reason.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LifecycleHooksConfig, SignalsConfig, SignalTarget } from '../model/config.ts';
import type { StatusSignal } from '../model/status.ts';
import type { Clock } from '../system/clock.ts';
import type { Random } from '../system/random.ts';
import { insist, type InsistInput } from './insist.ts';
import { watchOutcome, type Outcome } from './outcome.ts';
import type { Hook, SignalCalls } from './signal-calls.ts';
import type { SignalRecord } from './signal-record.ts';
import type { StatusBoard } from './status-board.ts';

export type SignalsDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly board: StatusBoard;
  readonly calls: SignalCalls;
  readonly record: SignalRecord;
};

export type Signals = {
  /** The instance is to serve: that it is ready, or failed, is told. Returns at once. */
  serving(): void;
  /** It is in the warm pool, or on its way: the launch hook may go on, and nobody else is told. Returns at once. */
  warm(): void;
  /**
   * It leaves the service of its group: the hook of that waits while `work` goes on, and is completed after it. Throws
   * what `work` throws; the hook then decides at its end.
   */
  leaving(work: () => Promise<void>): Promise<void>;
};

/**
 * IMDS may know of a hook before Auto Scaling does (PrairieLearn #15586), and an instance that was there before the hook
 * meets none.
 */
const hookPatienceMs = 600_000;
const before = 'told before this start';

/** There is no other start to tell it. */
const forget = async (): Promise<void> => undefined;

type Answer = { readonly result: 'CONTINUE' | 'ABANDON'; readonly why: string };
type Answering = Pick<InsistInput, 'to' | 'onTold'> & { readonly hook: Hook };

export function createSignals(
  deps: SignalsDeps,
  { stack, hooks, timeoutMs, problems }: SignalsConfig,
  signal: AbortSignal,
): Signals {
  const { clock, random, log, board, calls, record } = deps;
  const shown = new Map<SignalTarget, StatusSignal>();
  let stage = new AbortController();

  const show = (to: SignalTarget, state: StatusSignal['state'], message: string): void => {
    shown.set(to, { to, state, message });
    board.update({ signals: [...shown.values()] });
  };

  const tellStack = async ({ ready, failed }: Outcome, over: AbortSignal): Promise<void> => {
    if (stack === undefined) return;
    const to = 'cloudformation';
    const name = `${stack.stack}/${stack.resource}`;
    if (await record.isTold(to, name)) return show(to, 'told', `stack ${name}: ${before}`);
    show(to, 'pending', `stack ${name} waits until this instance is ready`);
    const why = await Promise.race([ready, failed]);
    const status = why === undefined ? 'SUCCESS' : 'FAILURE';
    const what = `stack ${name}: ${status}, ${why ?? 'this instance is ready'}`;
    const call = (within: AbortSignal) => calls.signalStack(stack, status, within);
    const onTold = () => record.told(to, name);
    await insist({ ...deps, show }, { to, what, patienceMs: 0, onTold }, call, over);
  };

  /** The hook's time starts anew with each. Ends by the signal, and throws nothing. */
  const beat = async (hook: Hook, everyMs: number, over: AbortSignal): Promise<void> => {
    let isFailing = false;
    while (!over.aborted) {
      try {
        await clock.sleep(everyMs * (0.75 + random.next() / 4), over);
        await calls.recordHeartbeat(hook, over);
        isFailing = false;
      } catch (error) {
        if (!over.aborted && !isFailing) log.warn(`no heartbeat: ${messageOf(error)}`);
        isFailing = true;
      }
    }
  };

  const complete = (
    { to, hook, onTold }: Answering,
    { result, why }: Answer,
    over: AbortSignal,
  ): Promise<void> => {
    const what = `hook ${hook.hook} of ${hook.group}: ${result}, ${why}`;
    const call = (within: AbortSignal) => calls.completeHook(hook, result, within);
    return insist({ ...deps, show }, { to, what, patienceMs: hookPatienceMs, onTold }, call, over);
  };

  /** A hook of one name waits both in front of the warm pool and in front of the service. */
  const tellLaunch = async (
    target: 'warm pool' | 'service',
    settle: (hook: Hook, hooks: LifecycleHooksConfig) => Promise<Answer>,
    over: AbortSignal,
  ): Promise<void> => {
    if (hooks?.launch === undefined) return;
    const to = 'launch-hook';
    const hook = { group: hooks.group, hook: hooks.launch };
    const name = `${hook.group}/${hook.hook}: ${target}`;
    if (await record.isTold(to, name)) return show(to, 'told', `hook ${name}: ${before}`);
    const onTold = () => record.told(to, name);
    await complete({ to, hook, onTold }, await settle(hook, hooks), over);
  };

  const onceReady =
    ({ ready, failed }: Outcome, over: AbortSignal) =>
    async (hook: Hook, { heartbeatMs, abandon }: LifecycleHooksConfig): Promise<Answer> => {
      const to = 'launch-hook';
      show(to, 'pending', `hook ${hook.hook} waits until this instance is ready`);
      const settled = new AbortController();
      void beat(hook, heartbeatMs, AbortSignal.any([over, settled.signal]));
      try {
        const why = await Promise.race([ready, failed]);
        if (why !== undefined && abandon) return { result: 'ABANDON', why };
        settled.abort();
        if (why !== undefined) show(to, 'pending', `hook ${hook.hook} hears no more: ${why}`);
        await ready;
        return { result: 'CONTINUE', why: 'this instance is ready' };
      } finally {
        settled.abort();
      }
    };

  /** What was under way for the stage before is over. */
  const enter = (work: (over: AbortSignal) => readonly Promise<void>[]): void => {
    stage.abort(new Error('over'));
    stage = new AbortController();
    const over = AbortSignal.any([signal, stage.signal]);
    for (const one of work(over)) {
      one.catch((error: unknown) => {
        if (!over.aborted) log.error(messageOf(error));
      });
    }
  };

  for (const { to, message } of problems) show(to, 'failed', message);
  return {
    serving: () =>
      enter((over) => {
        const outcome = watchOutcome({ clock, board }, timeoutMs, over);
        return [tellStack(outcome, over), tellLaunch('service', onceReady(outcome, over), over)];
      }),
    warm: () =>
      enter((over) => {
        const why = 'this instance needs nothing for the warm pool';
        const settle = async (): Promise<Answer> => ({ result: 'CONTINUE', why });
        return [tellLaunch('warm pool', settle, over)];
      }),
    leaving: async (work) => {
      // Nobody waits for ready any more.
      enter(() => []);
      if (hooks?.terminate === undefined) return work();
      const to = 'terminate-hook';
      const hook = { group: hooks.group, hook: hooks.terminate };
      show(to, 'pending', `hook ${hook.hook} waits until the ENI is given back`);
      const done = new AbortController();
      void beat(hook, hooks.heartbeatMs, AbortSignal.any([signal, done.signal]));
      try {
        await work();
      } finally {
        done.abort();
      }
      const answer = { result: 'CONTINUE', why: 'the ENI was given back' } as const;
      await complete({ to, hook, onTold: forget }, answer, signal);
    },
  };
}
