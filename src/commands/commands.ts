// The table of subcommands. Each is loaded when it is run, so that none pays for the others.
import type { Command } from './command.ts';

const configFlag = [
  '--config FILE|ssm:NAME',
  'configuration to use, before user data, tags and /berth/config',
] as const;
const stateFlag = [
  '--state-dir DIR',
  'what must survive a restart (default: that of the unit, /var/lib/berth)',
] as const;
const runtimeFlag = [
  '--runtime-dir DIR',
  'where the status socket is (default: that of the unit, /run/berth)',
] as const;
const levelFlag = [
  '--log-level LEVEL',
  'debug, info, warn, error or silent (default: info)',
] as const;
const jsonFlag = ['--json', 'for machines'] as const;

export const commands = {
  run: {
    summary: 'claim an ENI, route it, ship logs; until it is stopped',
    flags: [configFlag, stateFlag, runtimeFlag, levelFlag],
    example: 'berth run --config ssm:/berth/web',
    load: async () => (await import('./run.ts')).run,
  },
  plan: {
    summary: 'show what would be claimed and set; changes nothing',
    flags: [configFlag, stateFlag, jsonFlag],
    example: 'berth plan --config ./berth.json',
    load: async () => (await import('./plan.ts')).run,
  },
  status: {
    summary: 'show what the running daemon does; exit code 1 where none runs',
    flags: [['--routes', 'with the ip commands for the same routing'], jsonFlag, runtimeFlag],
    example: 'berth status --json',
    load: async () => (await import('./status.ts')).run,
  },
  wait: {
    summary: 'return when the claimed address is served',
    flags: [
      ['--timeout SECONDS', 'give up after so long, exit code 1 (default: never)'],
      ['--until-lost', 'then wait on, until the ENI is held here no more'],
      runtimeFlag,
    ],
    example: 'berth wait --timeout 120 && systemctl start my-service',
    load: async () => (await import('./wait.ts')).run,
  },
  pool: {
    summary: 'show every ENI of the pool: who holds it, and what its claim says',
    flags: [
      ['--pool NAME', 'which (default: the configured ones)'],
      ['--watch', 'again every 5 s, until it is stopped'],
      jsonFlag,
      configFlag,
      stateFlag,
    ],
    example: 'berth pool --watch',
    load: async () => (await import('./pool.ts')).run,
  },
  doctor: {
    summary: 'say what is wrong on this instance, and the fix; exit code 1 where something is',
    flags: [jsonFlag, configFlag, stateFlag, runtimeFlag],
    example: 'berth doctor',
    load: async () => (await import('./doctor.ts')).run,
  },
  facts: {
    summary: 'tell who and where this instance is, what it may hold and what it holds',
    flags: [jsonFlag],
    example: 'berth facts --json',
    load: async () => (await import('./facts.ts')).run,
  },
  release: {
    summary: 'give the ENI of a pool back; nothing is claimed before the next start of berth',
    flags: [['--pool NAME', 'which, where there are several'], configFlag, stateFlag, runtimeFlag],
    example: 'berth release --pool db',
    load: async () => (await import('./release.ts')).run,
  },
  reload: {
    summary: 'look at the configuration now; exit code 78 where the newest is refused',
    flags: [['--check', 'only say what would change, and what needs a restart'], runtimeFlag],
    example: 'berth reload',
    load: async () => (await import('./reload.ts')).run,
  },
  'check-config': {
    summary: 'check a configuration file, here or in CI; "-" reads standard input',
    flags: [jsonFlag],
    example: 'berth check-config berth.json',
    load: async () => (await import('./check-config.ts')).run,
  },
  bake: {
    summary: 'make this machine fit to become an image: state removed, berth enabled, not started',
    flags: [stateFlag, runtimeFlag],
    example: 'berth bake',
    load: async () => (await import('./bake.ts')).run,
  },
  'write-files': {
    summary: 'write the files that the daemon asks for; started by berth-files.socket',
    flags: [['--policy FILE', 'what is allowed (default: /etc/berth/files.json)']],
    example: 'berth write-files --policy files.json <request.json',
    load: async () => (await import('./write-files.ts')).run,
  },
  version: {
    summary: 'print the version',
    flags: [],
    example: 'berth version',
    load: async () => (await import('./version.ts')).run,
  },
} as const satisfies Readonly<Record<string, Command>>;

export type CommandName = keyof typeof commands;
