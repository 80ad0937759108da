// At the first start: files that were rotated between the end of the CloudWatch agent and the start of berth, so that what
// the agent had not sent of them is read first. The scan goes on from there.
import type { LogSource } from '../model/logs.ts';
import type { CompiledSources } from './compile-sources.ts';
import type { FollowDeps, Following } from './follow.ts';

type Deps = FollowDeps & CompiledSources & { readonly following: Following };

/** Once, before the first scan. */
export async function adoptRotated(
  { agentState, following, globOf, isWanted }: Deps,
  sources: readonly LogSource[],
  signal: AbortSignal,
): Promise<void> {
  for (const origin of await agentState.paths()) {
    signal.throwIfAborted();
    const fitting = sources.filter(
      (source) => globOf(source).matches(origin) && isWanted(source, origin),
    );
    if (fitting.length === 0) continue;
    const rotated = await agentState.rotatedOf(origin);
    if (rotated === undefined) continue;
    const { path, stat } = rotated;
    for (const source of fitting) {
      const place = { path, origin, source, inode: stat.inode, detached: true };
      const file = await following.follow({ ...place, predecessor: undefined, onlyKnown: false });
      if (typeof file === 'string') continue;
      following.setHolder(origin, source, { ...file.tail.stat, copied: file.copied, file });
    }
  }
}
