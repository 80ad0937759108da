// berth(8): the prose of files/berth.8 with the table of subcommands in it. Pure.
import type { Command } from '../src/commands/command.ts';
import { commands, type CommandName } from '../src/commands/commands.ts';
import { argumentOf } from '../src/commands/usage.ts';

const names = Object.keys(commands) as CommandName[];
const lineColumns = 78;

/** `prose`: files/berth.8. */
export function manPage(prose: string, epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000).toLocaleDateString('en-US', {
    dateStyle: 'long',
    timeZone: 'UTC',
  });
  return prose
    .replace('@DATE@', () => date)
    .replace('@SYNOPSIS@', () => names.map(synopsisOf).join('\n'))
    .replace('@COMMANDS@', () =>
      ['.Bl -tag -width Ds', ...names.flatMap(describe), '.El'].join('\n'),
    );
}

function synopsisOf(name: CommandName): string {
  const argument = argumentOf(name);
  return [
    '.Nm',
    `.Cm ${name}`,
    ...(argument === undefined ? [] : [`.Ar ${argument}`]),
    ...flagsOf(name).map(([flag]) => `.Op ${marked(flag)}`),
  ].join('\n');
}

function describe(name: CommandName): readonly string[] {
  const { summary, example } = commands[name];
  const flags = flagsOf(name).flatMap(([flag, what]) => [`.It ${marked(flag)}`, ...filled(what)]);
  return [
    `.It Cm ${name}`,
    ...filled(summary),
    ...(flags.length === 0 ? [] : ['.Bl -tag -width Ds', ...flags, '.El']),
    '.Pp',
    'Example:',
    `.Dl ${escaped(example)}`,
  ];
}

function flagsOf(name: CommandName): Command['flags'] {
  return commands[name].flags;
}

/** `--config FILE` as mdoc has it. */
function marked(flag: string): string {
  const [name = '', value] = flag.split(' ');
  return `Fl ${name.slice(1)}${value === undefined ? '' : ` Ar ${value}`}`;
}

/** Lines of text, none of which is taken for a request. */
function filled(text: string): readonly string[] {
  const lines = [''];
  for (const word of escaped(text).split(' ')) {
    const last = lines.at(-1)!;
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= lineColumns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => line.replace(/^(?=[.'])/, String.raw`\&`));
}

function escaped(text: string): string {
  return text.replaceAll('\\', String.raw`\e`).replaceAll('"', String.raw`\(dq`);
}
