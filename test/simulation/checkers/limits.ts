// S7 device indexes and limits, S12 the budget of calls and no crash loop.
import type { Call, Fact } from '../facts.ts';
import type { Host } from '../host.ts';
import { isFull, type Checker, type CheckerDeps } from './checker.ts';

/** The first two steps of the back-off are 125 and 250 ms at least. */
const leastGapMs = 200;
const mostInARow = 12;
const inARowMs = 10_000;

const keyOf = ({ host, life, method, target }: Call): string =>
  `${host.instanceId} ${life} ${method} ${target}`;

export function checkLimits({ world, fail, reads }: CheckerDeps): Checker {
  const { time, plan } = world;
  const fullSinceMs = new Map<Host, number>();
  const startedAtMs = new Map<Host, number>();
  /** By host, method and target: when the last ones were throttled. */
  const throttled = new Map<string, number[]>();
  /** Describes since the fleet is quiet. */
  let steady: { readonly sinceMs: number; readonly calls: Map<Host, number> } | undefined;

  function seeAttach({ host, change }: Call): void {
    if (change?.do !== 'attach') return;
    if (!(change.deviceIndex > 0))
      fail('S7', `${host.instanceId} attaches at index ${change.deviceIndex}`);
    if (change.networkCardIndex === undefined)
      fail('S7', `${host.instanceId} attaches without a network card index`);
    const sinceMs = fullSinceMs.get(host);
    const isTold = host.toldMacs + plan.pools > 2;
    if (sinceMs === undefined || !isTold || reads.isMisled(host)) return;
    if (sinceMs < startedAtMs.get(host)! - 10_000)
      fail('S7', `${host.instanceId} attaches beyond the limit of its type`);
  }

  function seeGap(call: Call): void {
    const times = throttled.get(keyOf(call));
    // Several pools ask side by side, and a stop asks anew.
    const isAlone = plan.pools === 1 && call.host.process?.stopping.signal.aborted === false;
    if (times === undefined || !isAlone) return;
    // Who asks is not always who was refused; two in a row are.
    const gapMs = time.nowMs() - (times.at(-2) ?? -Infinity);
    if (gapMs < leastGapMs)
      fail(
        'S12',
        `${call.host.instanceId} asks ${call.method} again ${Math.round(gapMs)} ms after it was throttled, twice since`,
      );
    if (times.length === mostInARow && time.nowMs() - times[0]! < inARowMs)
      fail('S12', `${call.host.instanceId} asks ${call.method} without backing off`);
  }

  function seeAnswer(fact: Extract<Fact, { what: 'answer' }>): void {
    const key = keyOf(fact.call);
    if (fact.code !== 'aws-throttled') throttled.delete(key);
    else throttled.set(key, [...(throttled.get(key) ?? []).slice(1 - mostInARow), time.nowMs()]);
  }

  return {
    see: (fact) => {
      if (fact.what === 'start') startedAtMs.set(fact.host, time.nowMs());
      if (fact.what === 'eni') {
        for (const host of world.hosts) {
          if (!isFull(world, host)) fullSinceMs.delete(host);
          else if (!fullSinceMs.has(host)) fullSinceMs.set(host, time.nowMs());
        }
      }
      if (fact.what === 'call') {
        const { call } = fact;
        seeAttach(call);
        seeGap(call);
        if (call.method.startsWith('describe') && steady !== undefined)
          steady.calls.set(call.host, (steady.calls.get(call.host) ?? 0) + 1);
      }
      if (fact.what === 'answer') seeAnswer(fact);
      if (fact.what === 'end' && fact.by === 'failed' && fact.code !== 'device-missing')
        fail('S12', `berth on ${fact.host.instanceId} ends, and would again: ${fact.why}`);
      if (fact.what === 'quiet') steady = { sinceMs: time.nowMs(), calls: new Map() };
    },
    judge: (fail) => {
      if (steady === undefined) return;
      const spentMs = time.nowMs() - steady.sinceMs;
      for (const [host, calls] of steady.calls) {
        const isSettled = [...host.news.values()].every(
          ({ sinceMs }) => sinceMs <= steady!.sinceMs,
        );
        if (!isSettled || !(startedAtMs.get(host)! < steady.sinceMs)) continue;
        const isReady = [...host.news.values()].every(({ ready }) => ready);
        // Who waits alone looks every 3 s, and more often at first (src/claim/waiting.ts).
        const due = isReady ? 2 + spentMs / 45_000 : 30 + spentMs / 2_250;
        const most = Math.ceil(plan.pools * due);
        if (calls > most)
          fail(
            'S12',
            `${host.instanceId} asks EC2 ${calls} times in ${Math.round(spentMs / 1000)} s of quiet, at most ${most} are due`,
          );
      }
    },
  };
}
