// `berth bake`: makes this machine fit to become an image: what a boot needs is there, no state, berth enabled.
import { dirname, join } from 'node:path';
import { checkOpen } from '../boot/check-open.ts';
import { BerthError, exitCodes, hasCode } from '../errors.ts';
import { policyFile, readPolicy } from '../files/policy.ts';
import { systemClock } from '../system/clock.ts';
import { systemExec } from '../system/exec.ts';
import { systemFiles } from '../system/files.ts';
import { systemFolders } from '../system/folders.ts';
import { systemLocalSockets } from '../system/local-socket.ts';
import { systemLogFiles } from '../system/log-files.ts';
import { loadPatterns } from '../system/patterns.ts';
import { systemTrustedFolders } from '../system/trusted-folders.ts';
import { readStatus } from '../tell/status-socket.ts';
import type { Run } from './command.ts';
import { parseFlags } from './flags.ts';
import { placesIn, readUnitEnvironment, unitFile } from './unit-environment.ts';
import { version } from './version.ts';

/**
 * An image with an empty machine-id boots like a new machine: systemd then enables and, where it was built so, disables
 * units by their presets (machine-id(5), systemd.preset(5)). The first file that names a unit counts.
 */
const preset = '/etc/systemd/system-preset/00-berth.preset';
const answerMs = 5_000;
const programMs = 30_000;

/** Nothing is changed before everything was found good. Throws `not-permitted`, `usage`, `config-invalid`, `command-*`, `disk`. */
export const run: Run = async (args, signal) => {
  const parsed = parseFlags(args, {
    'state-dir': { type: 'string' },
    'runtime-dir': { type: 'string' },
  });
  if (process.getuid?.() !== 0) throw new BerthError('not-permitted', 'cannot bake: be root');
  const unit = await readUnitEnvironment(systemLogFiles, unitFile, process.env);
  const { config, problem } = unit;
  if (problem !== undefined) throw new BerthError('config-invalid', `cannot bake: ${problem}`);
  const { stateDir, runtimeDir } = placesIn(parsed, unit);
  await refuseWhileRunning(runtimeDir, signal);
  const program = async (argv: readonly [string, ...string[]]): Promise<string> => {
    const ran = await systemExec.run({ argv, stdin: undefined, timeoutMs: programMs }, signal);
    if (ran.code === 0) return ran.stdout.trim();
    throw new BerthError(
      'command-failed',
      `cannot bake: "${argv.join(' ')}" failed with code ${ran.code}: ${ran.stderr.trim()}`,
    );
  };

  await program(['getent', 'passwd', 'berth']);
  say('user: berth');
  say(`routes: ${await program(['ip', '-V'])}`);
  say(`configuration: ${await configuration(config)}`);
  const policy = await readPolicy(systemTrustedFolders, policyFile);

  const removed = (await systemFolders.list(stateDir)).filter(isState);
  for (const name of removed) await systemFolders.remove(join(stateDir, name));
  say(`state: none${removed.length === 0 ? '' : `; ${removed.join(', ')} removed`}`);
  await program(['install', '-d', '-m', '755', dirname(preset)]);
  // Where nothing may be written, nobody has to listen.
  const units = ['berth.service', ...(policy === undefined ? [] : ['berth-files.socket'])];
  const presets = units.map((unit) => `enable ${unit}\n`).join('');
  await systemFiles.writeAtomic(preset, presets, 0o644);
  for (const unit of units) {
    await program(['systemctl', 'enable', unit]);
    say(`unit: ${unit} is ${await program(['systemctl', 'is-enabled', unit])}`);
  }
  say(`berth ${version} claims an interface at the next boot: make the image before`);
  return exitCodes.stopped;
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Of instances, and the markers for udev: nothing else in the folder is ours. */
function isState(name: string): boolean {
  return name === 'claim' || /^i-[0-9a-f]+$/.test(name);
}

/** Its state is in use, and its claim would be the builder's. */
async function refuseWhileRunning(runtimeDir: string, signal: AbortSignal): Promise<void> {
  using deadline = systemClock.deadline(answerMs, signal);
  try {
    const { message } = await readStatus(systemLocalSockets, runtimeDir, deadline.signal);
    throw new BerthError(
      'usage',
      `cannot bake: berth is running here (${message}); run "berth release", then "systemctl stop berth"`,
    );
  } catch (error) {
    if (!hasCode(error, 'daemon-absent')) throw error;
  }
}

/** The file that the unit's flags name, judged. What comes from elsewhere is read at boot. */
async function configuration(named: string | undefined): Promise<string> {
  if (named === undefined) return 'what user data, tags or Parameter Store say at boot';
  if (named.startsWith('ssm:')) return `the parameter ${named.slice('ssm:'.length)}, at boot`;
  const content = await systemFiles.readText(named);
  if (content === undefined) {
    throw new BerthError('config-missing', `cannot bake: ${unitFile} names ${named}: no such file`);
  }
  const facts = { identity: undefined, localHostname: undefined, nowMs: systemClock.nowMs() };
  const { issues } = checkOpen(content, facts, await loadPatterns());
  if (issues.length === 0) return named;
  const problems = issues.map(({ message }) => message).join('; ');
  throw new BerthError('config-invalid', `cannot bake: ${named}: ${problems}`);
}
