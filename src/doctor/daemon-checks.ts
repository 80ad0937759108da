// The daemon on this host: whether it runs, and what it says of itself.
import { hasCode } from '../errors.ts';
import type { SignalTarget } from '../model/config.ts';
import type { Status } from '../model/status.ts';
import type { Ports } from '../system/ports.ts';
import { readStatus } from '../tell/status-socket.ts';
import { fileFindings } from './file-checks.ts';
import { reporter, type Finding } from './finding.ts';
import { fixOfLack } from './permission-checks.ts';

/** undefined: none runs. */
export async function readDaemon(
  ports: Ports,
  runtimeDir: string,
  signal: AbortSignal,
): Promise<Status | undefined> {
  try {
    return await readStatus(ports.sockets, runtimeDir, signal);
  } catch (error) {
    if (hasCode(error, 'daemon-absent')) return undefined;
    throw error;
  }
}

const signalFixes: Readonly<Record<SignalTarget, string>> = {
  cloudformation: 'attach packaging/iam/cloudformation.json to the role; docs/signals.md',
  'launch-hook': 'attach packaging/iam/auto-scaling.json to the role; docs/signals.md',
  'terminate-hook': 'attach packaging/iam/auto-scaling.json to the role; docs/signals.md',
};

export function daemonFindings(status: Status | undefined, version: string): readonly Finding[] {
  const report = reporter('daemon');
  if (status === undefined) {
    return [report('failure', 'berth does not run', 'systemctl enable --now --no-block berth')];
  }
  const { logs, metrics, signals } = status;
  return [
    status.ready
      ? report('ok', status.message)
      : report('failure', `${status.phase}: ${status.message}`, phaseFix(status.phase)),
    ...(status.version === version
      ? []
      : [
          report(
            'warning',
            `version ${status.version} runs, ${version} is installed`,
            'systemctl restart berth (the address stays served)',
          ),
        ]),
    ...signals.flatMap(({ to, state, message }) =>
      state === 'failing' || state === 'failed'
        ? [reporter('signals')('failure', message, signalFixes[to])]
        : [],
    ),
    ...fileFindings(status),
    ...(logs?.lastError === undefined
      ? []
      : [
          reporter('logs')(
            'warning',
            logs.lastError,
            `${fixOfLack(logs.lastError) ?? 'do so'}; the files keep the lines until then`,
          ),
        ]),
    ...((logs?.eventsRefused ?? 0) > 0
      ? [
          reporter('logs')(
            'warning',
            `CloudWatch refused ${logs!.eventsRefused} events for good`,
            'tail -n 3 /var/lib/berth/dead-letters.jsonl has the last, with the reason',
          ),
        ]
      : []),
    ...((logs?.bytesDropped ?? 0) > 0
      ? [
          reporter('logs')(
            'warning',
            `${logs!.bytesDropped} bytes of deleted files were let go`,
            'take backpressure_mode out of the configuration, to hold them until they are sent',
          ),
        ]
      : []),
    ...((metrics?.dropped ?? 0) > 0
      ? [
          reporter('metrics')(
            'warning',
            `${metrics!.dropped} documents were lost: the spool was full, or could not be written`,
            'df -h and df -i, of the state folder: free some space',
          ),
        ]
      : []),
    ...(metrics?.lastError === undefined
      ? []
      : [
          reporter('metrics')(
            'warning',
            metrics.lastError,
            'journalctl --unit=berth --lines=50 has the reason',
          ),
        ]),
  ];
}

function phaseFix(phase: Status['phase']): string {
  switch (phase) {
    case 'gave-up':
      return 'systemctl restart berth, once "berth pool" shows a free ENI';
    case 'released':
      return 'systemctl restart berth';
    case 'waiting-for-eni':
      return '"berth pool" shows who holds them: add an ENI, or wait';
    default:
      return 'do what it says; journalctl --unit=berth --lines=50 has more';
  }
}
