// The completions in the shells themselves: each offers every command, every flag of each, and the values it can know.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { bashCompletion, fishCompletion, zshCompletion } from '../../packaging/completions.ts';
import type { Command } from '../../src/commands/command.ts';
import { commands, type CommandName } from '../../src/commands/commands.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { hasProgram } from '../lab/environment.ts';

// Shells start slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const names = Object.keys(commands) as CommandName[];

function flagsOf(name: CommandName): readonly string[] {
  const command: Command = commands[name];
  return [...command.flags.map(([flag]) => flag.split(' ')[0]!), '--help'].toSorted();
}

/** As the shell calls it at `berth ... WORD<tab>`. */
const bashCall = `
  source "$1"; shift
  COMP_WORDS=(berth "$@"); COMP_CWORD=$#
  _berth berth "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}" 2>"$ERRORS"
  printf '%s\\n' "\${COMPREPLY[@]}"`;

function inBash(...words: readonly string[]): readonly string[] {
  using folder = temporaryFolder();
  const file = folder.file('berth', bashCompletion());
  const env = { PATH: process.env['PATH'], ERRORS: join(folder.path, 'errors') };
  return linesOf(execFileSync('bash', ['--norc', '-c', bashCall, 'bash', file, ...words], { env }));
}

function inFish(line: string): readonly string[] {
  using folder = temporaryFolder();
  const file = folder.file('berth.fish', fishCompletion());
  const env = { PATH: process.env['PATH'], HOME: folder.path };
  const call = ['--no-config', '-c', 'source $argv[1]; complete -C $argv[2]', file, line];
  return linesOf(execFileSync('fish', call, { env })).map((offer) => offer.split('\t')[0]!);
}

/** An interactive zsh in a pseudo terminal: what it shows after the line and a tab, up to what is expected last. */
const zshCall = `
  zmodload zsh/zpty
  zpty shell zsh -f -i
  zpty -w shell "PROMPT= RPROMPT=; fpath=(\${(q)1} \\$fpath); autoload -Uz compinit; compinit -D -u; LISTMAX=1000; setopt auto_list no_list_ambiguous; print rea''dy"
  zpty -r -m shell shown '*ready*'
  zpty -w -n shell "$2"$'\\t'
  zpty -r -m shell shown "*$3*"
  print -r -- "$shown"
  zpty -d shell`;

function inZsh(line: string, last: string): string {
  using folder = temporaryFolder();
  folder.file('_berth', zshCompletion());
  const env = { PATH: process.env['PATH'], HOME: folder.path, TERM: 'dumb' };
  const call = ['-f', '-c', zshCall, 'zsh', folder.path, line, last];
  return execFileSync('zsh', call, { env, timeout: 60_000 }).toString();
}

function linesOf(output: Buffer): readonly string[] {
  return output.toString().split('\n').filter(Boolean).toSorted();
}

const bash = hasProgram('bash') ? '' : ' (skipped: bash is missing)';
describe.skipIf(bash !== '')(`bash${bash}`, () => {
  test('offers the commands', () => {
    expect(inBash('')).toEqual([...names, 'help'].toSorted());
    expect(inBash('rele')).toEqual(['release']);
  });

  test.each(names)('offers the flags of %s', (name) => {
    expect(inBash(name, '--')).toEqual(flagsOf(name));
  });

  test('offers what a flag takes, and nothing where it cannot know', () => {
    expect(inBash('run', '--log-level', 'd')).toEqual(['debug']);
    expect(inBash('wait', '--timeout', '')).toEqual([]);
    expect(inBash('nonsense', '')).toEqual([]);
  });
});

const fish = hasProgram('fish') ? '' : ' (skipped: apt-get install fish)';
describe.skipIf(fish !== '')(`fish${fish}`, () => {
  test('offers the commands', () => {
    expect(inFish('berth ')).toEqual(names.toSorted());
  });

  test.each(names)('offers the flags of %s', (name) => {
    expect(inFish(`berth ${name} --`)).toEqual(flagsOf(name));
  });

  test('offers what a flag takes', () => {
    expect(inFish('berth run --log-level d')).toEqual(['debug']);
    expect(inFish('berth run --config /etc/pass')).toContain('/etc/passwd');
    expect(inFish('berth check-config /etc/pass')).toContain('/etc/passwd');
  });
});

const zsh = hasProgram('zsh') ? '' : ' (skipped: apt-get install zsh)';
describe.skipIf(zsh !== '')(`zsh${zsh}`, () => {
  test('offers the commands', () => {
    const shown = inZsh('berth ', names.toSorted().at(-1)!);
    for (const name of names) expect(shown).toContain(name);
  });

  test.each(names)('offers the flags of %s', (name) => {
    const flags = flagsOf(name);
    // A single one is put into the line.
    const shown = inZsh(`berth ${name} --`, flags.at(-1)!.slice(2));
    for (const flag of flags) expect(shown).toContain(flag);
  });

  test('offers what a flag takes', () => {
    expect(inZsh('berth run --log-level ', 'warn')).toMatch(/debug.*warn/s);
    using files = temporaryFolder();
    files.file('own-one', '');
    files.file('own-two', '');
    expect(inZsh(`berth check-config ${files.path}/ow`, 'own-two')).toContain('own-one');
    expect(inZsh(`berth run --config ${files.path}/ow`, 'own-two')).toContain('own-one');
  });
});
