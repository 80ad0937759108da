// Counts the states of sockets and processes in the tables of /proc. Pure.
import type { Fields } from './proc-stats.ts';

/** include/net/tcp_states.h; a connection that is being accepted (12) counts as SYN received. */
const tcpStates: Readonly<Record<string, string>> = {
  '01': 'tcp_established',
  '02': 'tcp_syn_sent',
  '03': 'tcp_syn_recv',
  '04': 'tcp_fin_wait1',
  '05': 'tcp_fin_wait2',
  '06': 'tcp_time_wait',
  '07': 'tcp_close',
  '08': 'tcp_close_wait',
  '09': 'tcp_last_ack',
  '0A': 'tcp_listen',
  '0B': 'tcp_closing',
  '0C': 'tcp_syn_recv',
};

/**
 * /proc/net/tcp and its like. The agent counts sockets of the family UNIX too, as `udp_socket` and `tcp_none`: here they
 * are neither.
 */
export function countSockets(tables: {
  readonly tcp: readonly string[];
  readonly udp: readonly string[];
}): Fields {
  const counts: Record<string, number> = { tcp_none: 0, udp_socket: 0 };
  for (const name of Object.values(tcpStates)) counts[name] = 0;
  for (const table of tables.tcp) {
    // The number and both addresses, then the state.
    for (const [, state] of table.matchAll(/^ *\d+: \S+ \S+ (\S\S) /gm)) {
      const name = tcpStates[state!] ?? 'tcp_none';
      counts[name]! += 1;
    }
  }
  for (const table of tables.udp) counts['udp_socket']! += table.match(/^ *\d+: /gm)?.length ?? 0;
  return counts;
}

/** /proc/stat and /proc/loadavg: of threads, where processes cannot be seen (proc_stat(5), proc_loadavg(5)). */
export function countThreads(stat: string, loadavg: string): Fields {
  const of = (name: string): number =>
    Number(new RegExp(`^procs_${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  const threads = Number(/ \d+\/(\d+) /.exec(loadavg)?.[1] ?? 0);
  return { running: of('running'), blocked: of('blocked'), total_threads: threads };
}

const processStates: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'sleeping',
  D: 'blocked',
  Z: 'zombies',
  X: 'dead',
  T: 'stopped',
  t: 'stopped',
  W: 'paging',
  I: 'idle',
};

/** The text of each /proc/PID/stat. */
export function countProcesses(stats: Iterable<string>): Fields {
  const counts: Record<string, number> = { total: 0, total_threads: 0, wait: 0 };
  for (const name of Object.values(processStates)) counts[name] = 0;
  for (const stat of stats) {
    // The name in front may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 18);
    const name = processStates[fields[0]!];
    if (name !== undefined) counts[name]! += 1;
    counts['total']! += 1;
    counts['total_threads']! += Number(fields[17] ?? 0);
  }
  return counts;
}
