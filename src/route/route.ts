// Makes the kernel use the claimed ENI: applies the whole plan, whatever is there already, and verifies it.
import { BerthError, hasCode, messageOf } from '../errors.ts';
import type { RoutePlan } from '../model/routes.ts';
import type { Devices, Link } from '../system/devices.ts';
import type { Udev } from '../system/udev.ts';
import { leaveGroup } from './bridge-group.ts';
import { commandLines } from './batch.ts';
import { diffRoutes } from './diff.ts';
import { freeTable } from './free-table.ts';
import { loadKernelState, type KernelState, type LinkState } from './kernel-state.ts';
import { lostFromMain } from './main-table.ts';
import { applyMarks, markScript, removeMarks, verifyMarks } from './marks.ts';
import { formerTables, hasMarkRule, isLastOfGroup } from './own-rules.ts';
import { applySysctls } from './sysctls.ts';
import { verifyState, type VerifyDeps } from './verify.ts';
import { writeBatches, type Written } from './write.ts';

export type RouteDeps = VerifyDeps & { readonly devices: Devices; readonly udev: Udev };

export type RoutesApplied = {
  /** With the device's name after udev. */
  readonly plan: RoutePlan;
  /** Commands that were needed, as a person would type them; none: it was so already. */
  readonly changes: readonly string[];
};

/** udev settles a hot-plugged NIC in well under a second; without it the device works, under a name that may change. */
const udevWithinMs = 10_000;
const udevPollMs = 20;

/**
 * Applies and verifies; repairs once. Throws `device-missing`, `not-permitted`, `command-missing`, or
 * `routing-failed` with everything that is wrong (`details.problems`). A second call goes on where this one ended.
 */
export async function applyRoutes(
  deps: RouteDeps,
  wanted: RoutePlan,
  signal: AbortSignal,
): Promise<RoutesApplied> {
  const state = await settledState(deps, wanted, signal);
  const named = { ...wanted, ifname: state.link.ifname };
  await applySysctls(deps, named.ifname);
  const plan = { ...named, table: freeTable(named, state) };
  if (plan.table !== wanted.table) {
    deps.log.warn(
      { eniId: plan.eniId, table: plan.table },
      `table ${wanted.table} is in use by others (see "ip route show table ${wanted.table}" and "ip rule"); using ${plan.table}`,
    );
  }
  const first = await attempt(deps, { plan, state }, signal);
  const last = first.problems.length === 0 ? first : await repair(deps, plan, first, signal);
  if (last.problems.length > 0) throw failed(plan, last.problems);
  const changes = first === last ? first.changes : [...first.changes, ...last.changes];
  return { plan, changes };
}

type Attempt = {
  readonly problems: readonly string[];
  readonly changes: readonly string[];
};

async function attempt(
  deps: RouteDeps,
  { plan, state }: { readonly plan: RoutePlan; readonly state: KernelState },
  signal: AbortSignal,
): Promise<Attempt> {
  if (state.link === undefined) throw gone(plan);
  const batches = diffRoutes(plan, state);
  const changes = [...commandLines(batches)];
  let written: Written;
  try {
    await removeFormer(deps, { plan, state }, signal);
    written = await writeBatches(deps, { plan, state, batches }, signal);
    if ((await verifyMarks(deps, plan, signal)).length > 0) {
      await applyMarks(deps, plan, signal);
      changes.push(...markScript(plan).split('\n').filter(Boolean));
    }
  } catch (error) {
    // The lines before it stay: the next attempt starts from there.
    if (!hasCode(error, 'routing-failed')) throw error;
    return { problems: [messageOf(error)], changes };
  }
  const { state: reached, confirmed } = written;
  const problems = await verifyState(
    deps,
    { plan, state: reached, confirmed, isNew: true },
    signal,
  );
  return { problems: [...lostFromMain(state, reached, plan.ifname), ...problems], changes };
}

/** What options of before, or another index, have left beside rules; before the rules go, which remember it. */
async function removeFormer(
  deps: RouteDeps,
  { plan, state }: { readonly plan: RoutePlan; readonly state: KernelState },
  signal: AbortSignal,
): Promise<void> {
  const tables = formerTables(plan, state.ipv4);
  if (plan.mark === undefined) tables.push(plan.table);
  for (const table of tables)
    if (hasMarkRule({ ...plan, table }, state)) await removeMarks(deps, { table }, signal);
  if (plan.bridgeGroup === undefined && isLastOfGroup(plan, state)) await leaveGroup(deps, signal);
}

async function repair(
  deps: RouteDeps,
  plan: RoutePlan,
  first: Attempt,
  signal: AbortSignal,
): Promise<Attempt> {
  deps.log.warn({ eniId: plan.eniId, problems: first.problems }, 'routes repaired once more');
  await applySysctls(deps, plan.ifname);
  const state = await loadKernelState(deps, plan.ifname, signal);
  return attempt(deps, { plan, state }, signal);
}

/**
 * Waits until udev has named the device: earlier it may be renamed, and systemd-sysctl may still write. Throws
 * `device-missing`.
 */
async function settledState(
  deps: RouteDeps,
  plan: RoutePlan,
  signal: AbortSignal,
): Promise<KernelState & { readonly link: LinkState }> {
  const state = await loadKernelState(deps, plan.ifname, signal);
  const { link } = state;
  const isOurs = link?.mac === plan.mac;
  const index = isOurs ? link.index : (await findDevice(deps, plan, signal)).index;
  let udev = await deps.udev.stateOf(index);
  if (udev !== 'busy' && isOurs) return { ...state, link };
  const untilMs = deps.clock.monotonicMs() + udevWithinMs;
  while (udev === 'busy' && deps.clock.monotonicMs() < untilMs) {
    await deps.clock.sleep(udevPollMs, signal);
    udev = await deps.udev.stateOf(index);
  }
  const { name } = await findDevice(deps, plan, signal);
  if (udev === 'busy') {
    deps.log.warn(
      { device: name, waitedMs: udevWithinMs },
      'udev has not finished with the device; going on without it, see "udevadm info"',
    );
  }
  const named = await loadKernelState(deps, name, signal);
  if (named.link === undefined) throw gone(plan);
  return { ...named, link: named.link };
}

/** Throws `device-missing`. */
export async function findDevice(
  deps: RouteDeps,
  plan: RoutePlan,
  signal: AbortSignal,
): Promise<Link> {
  const device = await deps.devices.find(plan.mac, signal);
  if (device === undefined) throw gone(plan);
  return device;
}

function gone(plan: RoutePlan): BerthError {
  return new BerthError(
    'device-missing',
    `cannot route ${plan.eniId}: no network device has the MAC ${plan.mac}; is the ENI still attached?`,
    { retryable: true, details: { eniId: plan.eniId, mac: plan.mac } },
  );
}

function failed(plan: RoutePlan, problems: readonly string[]): BerthError {
  return new BerthError(
    'routing-failed',
    `cannot route ${plan.eniId} on ${plan.ifname}: ${problems.join('; ')}. Does another network manager own ${plan.ifname}? Compare with "berth plan"`,
    { retryable: true, details: { eniId: plan.eniId, device: plan.ifname, problems } },
  );
}
