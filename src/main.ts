#!/usr/bin/env node
// The process edge: arguments, signals, exit code; nothing else.
import { commands, type CommandName } from './commands/commands.ts';
import { exitCodeOf, exitCodes, hasCode, messageOf } from './errors.ts';
import { usageOf, usageOfAll } from './commands/usage.ts';

const stop = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.on(name, () => stop.abort(new DOMException(`stopped by ${name}`, 'AbortError')));
}

// Whoever read our log is gone (a restarted journal, a closed pipe): no reason to go too.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usageOfAll());
    return name === undefined ? exitCodes.usage : exitCodes.stopped;
  }
  if (!Object.hasOwn(commands, name)) {
    process.stderr.write(`berth: unknown command "${name}"; "berth --help" lists them\n`);
    return exitCodes.usage;
  }
  const command = name as CommandName;
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usageOf(command));
    return exitCodes.stopped;
  }
  const run = await commands[command].load();
  return run(args, stop.signal);
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const hint = hasCode(error, 'usage') ? '; "berth --help" tells more' : '';
    process.stderr.write(`berth: ${messageOf(error)}${hint}\n`);
    process.exit(exitCodeOf(error));
  },
);
