// Completions for bash, zsh and fish, out of the table of subcommands. Pure.
import type { Command } from '../src/commands/command.ts';
import { commands, type CommandName } from '../src/commands/commands.ts';
import { argumentOf } from '../src/commands/usage.ts';
import { logLevels } from '../src/log.ts';

const names = Object.keys(commands) as CommandName[];

type Flag = { readonly name: string; readonly value: string | undefined; readonly what: string };

function flagsOf(name: CommandName): readonly Flag[] {
  const command: Command = commands[name];
  const flags = command.flags.map(([text, what]) => {
    const [flag = '', value] = text.split(' ');
    return { name: flag, value, what };
  });
  return [...flags, { name: '--help', value: undefined, what: 'tell more' }];
}

/** How the value of a flag, or an argument, is completed: by its name in the usage line. */
function kindOf(value: string): 'file' | 'folder' | 'level' | 'free' {
  if (/^FILE\b/.test(value)) return 'file';
  if (value === 'DIR') return 'folder';
  return value === 'LEVEL' ? 'level' : 'free';
}

export function bashCompletion(): string {
  const byKind = Map.groupBy(
    new Map(names.flatMap(flagsOf).map((flag) => [flag.name, flag])).values(),
    ({ value }) => (value === undefined ? 'none' : kindOf(value)),
  );
  const patternOf = (kind: 'file' | 'folder' | 'level' | 'free'): string =>
    (byKind.get(kind) ?? []).map(({ name }) => name).join(' | ');
  return [
    '# bash completion for berth(8)',
    '_berth() {',
    '  local cur=$2 words',
    '  COMPREPLY=()',
    '  if [ "$COMP_CWORD" -gt 1 ]; then',
    '    case $3 in',
    `    ${patternOf('file')}) compopt -o default && return ;;`,
    `    ${patternOf('folder')}) compopt -o dirnames && return ;;`,
    `    ${patternOf('level')}) words='${logLevels.join(' ')}' ;;`,
    `    ${patternOf('free')}) return ;;`,
    '    *)',
    '      case ${COMP_WORDS[1]} in',
    ...names.flatMap((name) => {
      const words = `words='${flagsOf(name)
        .map((flag) => flag.name)
        .join(' ')}'`;
      const files = argumentOf(name) === undefined ? '' : ' && compopt -o default';
      return [`      ${name}) ${words}${files} ;;`];
    }),
    '      *) return ;;',
    '      esac',
    '      ;;',
    '    esac',
    '  else',
    `    words='${names.join(' ')} help'`,
    '  fi',
    '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")',
    '}',
    'complete -F _berth berth',
    '',
  ].join('\n');
}

const zshActions = {
  file: '_files',
  folder: '_files -/',
  level: `(${logLevels.join(' ')})`,
  free: ' ',
};

export function zshCompletion(): string {
  return [
    '#compdef berth',
    'if (( CURRENT == 2 )); then',
    '  local -a commands=(',
    ...names.map((name) => `    ${quoted(`${name}:${commands[name].summary}`)}`),
    '  )',
    '  _describe command commands',
    '  return',
    'fi',
    'shift words',
    '(( CURRENT-- ))',
    'case $words[1] in',
    ...names.flatMap((name) => {
      const argument = argumentOf(name);
      const rest =
        argument === undefined ? [] : [quoted(`1:${argument}:${zshActions[kindOf(argument)]}`)];
      const specs = [...flagsOf(name).map(zshFlag), ...rest];
      return [`${name})`, `  _arguments \\\n    ${specs.join(' \\\n    ')}`, '  ;;'];
    }),
    'esac',
    '',
  ].join('\n');
}

function zshFlag({ name, value, what }: Flag): string {
  const text = what.replaceAll(/[[\]:\\]/g, String.raw`\$&`);
  return value === undefined
    ? quoted(`${name}[${text}]`)
    : quoted(
        `${name}=[${text}]:${value.replaceAll(':', String.raw`\:`)}:${zshActions[kindOf(value)]}`,
      );
}

const fishValues = {
  file: '-rF',
  folder: "-xa '(__fish_complete_directories)'",
  level: `-xa '${logLevels.join(' ')}'`,
  free: '-x',
};

export function fishCompletion(): string {
  return [
    '# fish completion for berth(8)',
    'complete -c berth -f',
    ...names.flatMap((name) => {
      const seen = `complete -c berth -n '__fish_seen_subcommand_from ${name}'`;
      const argument = argumentOf(name);
      return [
        `complete -c berth -n __fish_use_subcommand -a ${name} -d ${quoted(commands[name].summary)}`,
        ...(argument === undefined ? [] : [`${seen} -F`]),
        ...flagsOf(name).map(({ name: flag, value, what }) => {
          const kind = value === undefined ? '' : ` ${fishValues[kindOf(value)]}`;
          return `${seen} -l ${flag.slice(2)}${kind} -d ${quoted(what)}`;
        }),
      ];
    }),
    '',
  ].join('\n');
}

/** In single quotes, for zsh and fish alike. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
