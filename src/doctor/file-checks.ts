// The files of the configuration: is there somebody who writes them, and is he allowed to?
import { writerSocket } from '../files/ask-writer.ts';
import { policyFile, readPolicy, refusalOf } from '../files/policy.ts';
import { messageOf } from '../errors.ts';
import type { FileConfig } from '../model/config.ts';
import type { Status } from '../model/status.ts';
import type { Ports } from '../system/ports.ts';
import { reporter, type Finding } from './finding.ts';

export async function checkFiles(
  { hostFiles, trustedFolders }: Ports,
  { runtimeDir, files }: { readonly runtimeDir: string; readonly files: readonly FileConfig[] },
): Promise<readonly Finding[]> {
  if (files.length === 0) return [];
  const report = reporter('files');
  const fix = `do so as root, in ${policyFile}; berth tries again by itself`;
  const findings: Finding[] = [];
  const socket = writerSocket(runtimeDir);
  if (!(await hostFiles.isSocket(socket))) {
    const why = `nobody listens on ${socket}: no file of the configuration is written`;
    findings.push(report('failure', why, 'systemctl enable --now berth-files.socket'));
  }
  try {
    const policy = await readPolicy(trustedFolders, policyFile);
    for (const file of files) {
      const why = refusalOf(policy, file, policyFile);
      if (why !== undefined) findings.push(report('failure', `${file.path}: ${why}`, fix));
    }
  } catch (error) {
    findings.push(report('failure', messageOf(error), fix));
  }
  const allowed = report('ok', `${files.length} may be written`);
  return findings.length === 0 ? [allowed] : findings;
}

/** What the daemon says of them. */
export function fileFindings({ files }: Pick<Status, 'files'>): readonly Finding[] {
  return files.flatMap(({ message }) =>
    message === undefined
      ? []
      : [reporter('files')('failure', message, "journalctl -u berth -u 'berth-files@*'")],
  );
}
