// The texts of --help. Pure.
import type { Command } from './command.ts';
import { commands, type CommandName } from './commands.ts';

const names = Object.keys(commands) as CommandName[];

export function usageOfAll(): string {
  const width = Math.max(...names.map((name) => name.length));
  return [
    'berth: one network interface of a pool for this EC2 instance, routed, and its logs shipped',
    '',
    'Usage: berth COMMAND [FLAG ...]',
    '',
    ...names.map((name) => `  ${name.padEnd(width)}  ${commands[name].summary}`),
    '',
    '"berth COMMAND --help" tells more. Exit codes: 0 done, 1 failed, 64 usage, 78 configuration.',
    '',
  ].join('\n');
}

/** What a command takes beside flags. */
export function argumentOf(name: CommandName): string | undefined {
  return name === 'check-config' ? 'FILE|-' : undefined;
}

export function usageOf(name: CommandName): string {
  const command: Command = commands[name];
  const argument = argumentOf(name);
  const flags = command.flags.map(([flag, what]) => `  ${flag.padEnd(24)}  ${what}`);
  return [
    `berth ${name}: ${command.summary}`,
    '',
    `Usage: berth ${name}${argument === undefined ? '' : ` ${argument}`}${flags.length === 0 ? '' : ' [FLAG ...]'}`,
    ...(flags.length === 0 ? [] : ['', ...flags]),
    '',
    `Example: ${command.example}`,
    '',
  ].join('\n');
}
