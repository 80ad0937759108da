// The measurements of the CloudWatch agent on Linux that berth collects, and their units: the metric is <section>_<field>.
// From the agent's registered_metrics.go and default_unit.go.

/** `None` where CloudWatch has no unit for it. */
export type Unit = string;

const cpuFields = 'active guest guest_nice idle iowait irq nice softirq steal system user'.split(
  ' ',
);

const each = (fields: string, unit: Unit): Readonly<Record<string, Unit>> =>
  Object.fromEntries(fields.split(' ').map((field) => [field, unit]));

/** Field to default unit, of each section. */
export const measurements = {
  cpu: {
    ...each(cpuFields.map((field) => `usage_${field}`).join(' '), 'Percent'),
    ...each(cpuFields.map((field) => `time_${field}`).join(' '), 'None'),
  },
  disk: {
    ...each('free total used', 'Bytes'),
    ...each('inodes_free inodes_total inodes_used', 'Count'),
    used_percent: 'Percent',
  },
  diskio: {
    ...each('iops_in_progress reads writes', 'Count'),
    ...each('read_bytes write_bytes', 'Bytes'),
    ...each('io_time read_time write_time', 'Milliseconds'),
  },
  mem: {
    ...each('active available buffered cached free inactive shared total used', 'Bytes'),
    ...each('available_percent used_percent', 'Percent'),
  },
  net: {
    ...each('bytes_recv bytes_sent', 'Bytes'),
    ...each('drop_in drop_out err_in err_out packets_recv packets_sent', 'Count'),
  },
  netstat: each(
    'tcp_close tcp_close_wait tcp_closing tcp_established tcp_fin_wait1 tcp_fin_wait2 tcp_last_ack tcp_listen ' +
      'tcp_none tcp_syn_recv tcp_syn_sent tcp_time_wait udp_socket',
    'Count',
  ),
  processes: each(
    'blocked dead idle paging running sleeping stopped total total_threads wait zombies',
    'Count',
  ),
  swap: { ...each('free used', 'Bytes'), used_percent: 'Percent' },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Unit>>>>;

/** What Nitro counts when an instance goes beyond its network allowances, by the names of the ENA driver. */
export const enaAllowances = [
  'bw_in_allowance_exceeded',
  'bw_out_allowance_exceeded',
  'pps_allowance_exceeded',
  'conntrack_allowance_exceeded',
  'linklocal_allowance_exceeded',
  'conntrack_allowance_available',
] as const;

/** What CloudWatch takes as a unit; with another one it refuses the whole document. */
export const units: ReadonlySet<string> = new Set([
  ...'None Percent Count Count/Second Seconds Microseconds Milliseconds'.split(' '),
  ...['', 'Kilo', 'Mega', 'Giga', 'Tera'].flatMap((scale) =>
    ['Bytes', 'Bits'].flatMap((unit) => {
      const name = scale === '' ? unit : `${scale}${unit.toLowerCase()}`;
      return [name, `${name}/Second`];
    }),
  ),
]);
