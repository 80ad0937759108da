// `npm run conformance`: asks an AWS, or what plays one, what the documents leave open, and writes the answers.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { systemClock } from '../../src/system/clock.ts';
import { answersFile } from './conformance-answers.ts';
import { readOptions, usage, UsageError, type ConformanceOptions } from './conformance-options.ts';
import { announcement, findPlace } from './conformance-place.ts';
import { durationProbes, roleProbes } from './conformance-roles.ts';
import { probes } from './probe-catalogue.ts';
import { createClients, type ProbeTarget } from './probe-clients.ts';
import { createGround } from './probe-ground.ts';
import { askAll } from './probe-run.ts';
import { sweep } from './probe-sweep.ts';

/** Throttling is no answer of AWS to a question. */
const attemptsOnAws = 10;

async function confirm(options: ConformanceOptions): Promise<boolean> {
  if (!options.real) return true;
  if (!process.stdin.isTTY) throw new UsageError('--really asks first, and there is no terminal');
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await reader.question('Type yes to go on: ')) === 'yes';
  } catch {
    // Ctrl-C or Ctrl-D.
    return false;
  } finally {
    reader.close();
  }
}

async function clean(target: ProbeTarget): Promise<void> {
  using clients = createClients(target);
  const { enis, parameters, logGroups } = await sweep(clients, systemClock, undefined);
  console.log(`took away ${enis} ENIs, ${parameters} parameters, ${logGroups} log groups`);
}

async function run(options: ConformanceOptions, signal: AbortSignal): Promise<void> {
  const { mode, endpoint, region, caFile, profile } = options;
  const target: ProbeTarget = {
    endpoint,
    region,
    signal,
    ...(profile === undefined ? {} : { profile }),
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') }),
    ...(options.real ? { maxAttempts: attemptsOnAws } : {}),
  };
  const name = crypto.randomUUID().slice(0, 8);
  const full = mode === 'full';
  const all = [...probes, ...roleProbes(undefined, options.pool), ...durationProbes];
  const count = all.filter((probe) => full || probe.reads).length;
  console.log(announcement(options, count, name));
  if (!(await confirm(options))) return;
  if (mode === 'clean') return clean(target);

  const found = full
    ? await findPlace(target, options.instances!, options.roleProfiles)
    : undefined;
  await using ground = createGround({
    target,
    clock: systemClock,
    place: found?.place,
    powers: found?.terminated === undefined ? {} : { terminated: found.terminated },
    run: name,
  });
  const questions = full
    ? [...probes, ...roleProbes(found?.roles, options.pool), ...durationProbes]
    : probes.filter((probe) => probe.reads);
  const answers = await askAll(questions, ground, (probe, { said }) =>
    console.log(`${probe}: ${said}`),
  );
  const file = answersFile(answers, { mode, nowMs: systemClock.nowMs(), run: name });
  await writeFile(options.answersFile, `${JSON.stringify(file, null, 2)}\n`);
  console.log(`${answers.size} answers in ${options.answersFile}`);
}

const stopping = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // A second one ends at once.
  process.once(name, () => {
    console.error('interrupted: cleaning up');
    stopping.abort(new Error('interrupted'));
  });
}
try {
  await run(readOptions(process.argv.slice(2), process.env), stopping.signal);
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n${usage}`);
    process.exitCode = 64;
  } else {
    console.error(stopping.signal.aborted ? 'interrupted: no answers were written' : error);
    process.exitCode = 1;
  }
}
