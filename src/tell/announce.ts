// Tells the machine of an ENI: the environment file that services read, and the operator's hooks.
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { HooksConfig } from '../model/config.ts';
import type { Notice } from '../model/instance.ts';
import type { StatusEni } from '../model/status.ts';
import { maskSecrets } from '../secrets.ts';
import type { Exec } from '../system/exec.ts';
import type { Files } from '../system/files.ts';

export type Hook = Exclude<keyof HooksConfig, 'environment' | 'timeoutMs'>;

export type Announce = {
  /** `<runtimeDir>/<pool>.env`, for EnvironmentFile= of a service that starts when berth is ready. */
  writeEnvironment(eni: StatusEni): Promise<void>;
  removeEnvironment(): Promise<void>;
  /** One after the other, in the order of the calls. Resolves when this one has ended. */
  hook(name: Hook, eni: StatusEni, signal: AbortSignal): Promise<void>;
  /** `onNotice`, in the same order. */
  notice(notice: Notice, eni: StatusEni, signal: AbortSignal): Promise<void>;
};

export type AnnounceInput = {
  readonly pool: string;
  /** They may change while berth runs. */
  readonly hooks: () => HooksConfig;
  readonly runtimeDir: string;
};

/** So much of what a failing hook printed is logged. */
const maxOutput = 500;

/** Nothing here ever throws: what fails is reported, and the ENI is served all the same. */
export function createAnnounce(
  deps: { readonly exec: Exec; readonly files: Files; readonly log: Log },
  { pool, hooks: hooksNow, runtimeDir }: AnnounceInput,
): Announce {
  const path = join(runtimeDir, `${encodeURIComponent(pool)}.env`);
  const report = (error: unknown): void => deps.log.warn({ path, pool }, messageOf(error));
  let before: Promise<void> = Promise.resolve();

  async function run(
    name: Hook,
    eni: StatusEni,
    more: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const hooks = hooksNow();
    const [file, ...args] = hooks[name] ?? [];
    if (file === undefined) return;
    const { timeoutMs } = hooks;
    const own = { ...environmentOf(pool, eni), ...more, BERTH_HOOK: name };
    const environment = { ...hooks.environment, ...own };
    const about = { hook: name, pool, eni: eni.eniId };
    try {
      const input = { argv: [file, ...args] as const, stdin: undefined, timeoutMs, environment };
      const { code, stdout, stderr } = await deps.exec.run(input, signal);
      // Before the cut: half of a secret is not known for one.
      const output = maskSecrets(`${stdout}${stderr}`).trim().slice(-maxOutput);
      if (code === 0) deps.log.info(about, `hook ${name} ended`);
      else deps.log.error({ ...about, code, output }, `hook ${name} failed with code ${code}`);
    } catch (error) {
      deps.log.error(about, `hook ${name}: ${messageOf(error)}`);
    }
  }

  return {
    writeEnvironment: (eni) =>
      deps.files.writeAtomic(path, environmentFile(environmentOf(pool, eni)), 0o644).catch(report),
    removeEnvironment: () => deps.files.remove(path).catch(report),
    hook: (name, eni, signal) => (before = before.then(() => run(name, eni, {}, signal))),
    notice: ({ kind, message, at }, eni, signal) => {
      const more = {
        BERTH_NOTICE: kind,
        BERTH_NOTICE_MESSAGE: message,
        BERTH_NOTICE_AT: at ?? '',
      };
      return (before = before.then(() => run('onNotice', eni, more, signal)));
    },
  };
}

/** Lists are separated by spaces. */
function environmentOf(pool: string, eni: StatusEni): Readonly<Record<string, string>> {
  return {
    BERTH_POOL: pool,
    BERTH_ENI: eni.eniId,
    BERTH_MAC: eni.mac,
    BERTH_IPV4: eni.ipv4.join(' '),
    BERTH_IPV6: eni.ipv6.join(' '),
    BERTH_DEVICE: eni.device ?? '',
    BERTH_EPOCH: String(eni.epoch),
  };
}

/** In systemd's form (systemd.exec(5), EnvironmentFile=): quoted, so that nothing in a pool's name ends the value. */
function environmentFile(environment: Readonly<Record<string, string>>): string {
  const lines = Object.entries(environment).map(
    ([key, value]) => `${key}="${value.replaceAll(/["\\$`]/g, '\\$&')}"`,
  );
  return `${lines.join('\n')}\n`;
}
