// This host: the log files, the disk, other programs in the way, versions.
import { basename } from 'node:path';
import { messageOf } from '../errors.ts';
import type { LogSource } from '../model/logs.ts';
import type { Ports } from '../system/ports.ts';
import { reporter, type Finding } from './finding.ts';

const commandTimeoutMs = 3_000;
/** Spools and checkpoints need it (src/ship/spool.ts keeps up to 128 MiB through an outage). */
const enoughBytes = 256 * 1024 * 1024;
/** What the sandbox of the unit hides: ProtectHome, PrivateTmp. */
const hidden = /^\/(home|root|run\/user|tmp|var\/tmp)\//;
const markers = [
  '/usr/lib/udev/rules.d/81-berth.rules',
  '/usr/lib/systemd/network/01-berth.network',
] as const;

export async function checkLogFiles(
  { logFiles }: Ports,
  sources: readonly LogSource[],
): Promise<readonly Finding[]> {
  const report = reporter('logs');
  const findings: Finding[] = [];
  let readable = 0;
  for (const { filePath } of sources) {
    if (hidden.test(filePath)) {
      const why = `the sandbox of the unit hides ${filePath}`;
      findings.push(
        report(
          'warning',
          why,
          'log elsewhere, or systemctl edit berth: ProtectHome=read-only, PrivateTmp=no',
        ),
      );
    }
    const paths = await logFiles.expand(filePath);
    if (paths.length === 0)
      findings.push(
        report(
          'warning',
          `no file matches ${filePath} yet`,
          `ls -ld ${filePath}: has it another name, or is it a folder? A file that comes is found by itself`,
        ),
      );
    for (const path of paths) {
      try {
        await using file = await logFiles.open(path);
        if (file !== undefined) readable += 1;
      } catch (error) {
        findings.push(
          report(
            'failure',
            messageOf(error),
            `setfacl -m u:berth:r ${path}, since user berth has to read it; sudo, if you are not root`,
          ),
        );
      }
    }
  }
  if (readable > 0) findings.unshift(report('ok', `${readable} files can be read`));
  return findings;
}

/** The file system of the state folder: is there room, may it be written? */
export async function checkDisk({ proc }: Ports, stateDir: string): Promise<readonly Finding[]> {
  const report = reporter('disk');
  const mount = mountOf(proc.read('/proc/self/mounts') ?? '', stateDir);
  if (mount?.isReadOnly === true) {
    const why = `${stateDir} is on the read-only file system ${mount.point}: no checkpoint can be saved`;
    return [
      report(
        'failure',
        why,
        `mount -o remount,rw ${mount.point}, or mount something writable on ${stateDir}`,
      ),
    ];
  }
  const { freeBytes, inodesFree, inodes } = await proc.sizeOf(mount?.point ?? '/');
  const free = `${Math.floor(freeBytes / 1024 / 1024)} MiB free for ${stateDir}`;
  const fix = `free some space on ${mount?.point ?? '/'}`;
  if (freeBytes === 0 || (inodes > 0 && inodesFree === 0)) {
    return [report('failure', `the disk of ${stateDir} is full: no checkpoint can be saved`, fix)];
  }
  return [freeBytes < enoughBytes ? report('warning', free, fix) : report('ok', free)];
}

/** The last of the longest mount points above a path. */
function mountOf(
  mounts: string,
  path: string,
): { readonly point: string; readonly isReadOnly: boolean } | undefined {
  const above = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, point = '?']) => `${path}/`.startsWith(point === '/' ? '/' : `${point}/`))
    .map(([, point, , options]) => ({
      point: point!,
      isReadOnly: options!.split(',').includes('ro'),
    }));
  return above.reduce<(typeof above)[number] | undefined>(
    (best, one) => (best === undefined || one.point.length >= best.point.length ? one : best),
    undefined,
  );
}

/** Programs that do what berth does, or undo it; by the unit that systemd says is active. */
const inTheWay: readonly {
  readonly unit: RegExp;
  readonly does: string;
  readonly fix: (unit: string) => string;
}[] = [
  {
    unit: /^amazon-cloudwatch-agent\.service$/,
    does: 'ships the same files and metrics: each would arrive twice',
    fix: () =>
      'systemctl disable --now amazon-cloudwatch-agent (docs/ship.md: its state is taken over)',
  },
  {
    unit: /^(fluent-bit|td-agent-bit|vector|awslogsd)\.service$/,
    does: 'may ship the same files: each line would arrive twice',
    fix: (unit) => `systemctl disable --now ${unit}`,
  },
  {
    unit: /^nm-cloud-setup\.(service|timer)$/,
    does: 'sets routes of every ENI',
    fix: () => 'systemctl disable --now nm-cloud-setup.timer',
  },
  {
    unit: /^(refresh-)?policy-routes@.+\.(service|timer)$/,
    does: 'is amazon-ec2-net-utils, which sets routes of that device',
    fix: (unit) => `systemctl stop ${unit}, if it is the claimed one; ${markers[0]} keeps it away`,
  },
];

export async function checkOthers(
  { exec, files }: Ports,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const report = reporter('others');
  const missing: string[] = [];
  for (const path of markers) {
    if ((await files.readText(path).catch(() => '')) === undefined) missing.push(path);
  }
  const absent = missing.map((path) =>
    report(
      'warning',
      `${path} is not there: networkd, NetworkManager and hot-plug hooks may touch the claimed ENI`,
      `install the package of berth, or: install -D -m 644 systemd/${basename(path)} ${path}`,
    ),
  );
  const argv = [
    'systemctl',
    'list-units',
    '--state=active',
    '--plain',
    '--no-legend',
    '--no-pager',
  ] as const;
  let units: readonly string[];
  try {
    const { stdout } = await exec.run(
      { argv, stdin: undefined, timeoutMs: commandTimeoutMs },
      signal,
    );
    units = stdout.split('\n').map((line) => line.trim().split(/\s/)[0]!);
  } catch (error) {
    signal.throwIfAborted();
    return [
      ...absent,
      report('unknown', `which services run: ${messageOf(error)}`, 'systemctl daemon-reexec'),
    ];
  }
  const found = units.flatMap((unit) =>
    inTheWay
      .filter((one) => one.unit.test(unit))
      .map(({ does, fix }) => report('warning', `${unit} ${does}`, fix(unit))),
  );
  const all = [...absent, ...found];
  return all.length > 0 ? all : [report('ok', 'nobody else ships these logs or sets these routes')];
}

/** iproute2 knows `-json -N` and protocol names since then (routing.md). */
const leastIproute: readonly [number, number] = [4, 18];

export async function checkVersions(
  { exec, proc }: Ports,
  version: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const report = reporter('versions');
  const kernel = proc.read('/proc/sys/kernel/osrelease')?.trim() ?? '?';
  try {
    const input = { argv: ['ip', '-V'] as const, stdin: undefined, timeoutMs: commandTimeoutMs };
    const { stdout } = await exec.run(input, signal);
    const [, major, minor] = /iproute2-(\d+)\.(\d+)/.exec(stdout) ?? [];
    const said = `berth ${version}, Node ${process.versions.node}, Linux ${kernel}, iproute2 ${major ?? '?'}.${minor ?? '?'}`;
    const isOld =
      major !== undefined &&
      Number(major) * 1_000 + Number(minor) < leastIproute[0] * 1_000 + leastIproute[1];
    return [
      isOld
        ? report(
            'failure',
            `${said}: too old`,
            `install iproute2 ${leastIproute.join('.')} or later`,
          )
        : report('ok', said),
    ];
  } catch (error) {
    signal.throwIfAborted();
    return [report('failure', messageOf(error), 'install iproute2')];
  }
}
