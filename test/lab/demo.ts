// `npm run demo`: the main job, end to end, on the local AWS and a VPC of namespaces. With `--chaos seed=N` every call of
// berth to AWS goes through the chaos proxy: slower, never wrong.
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { summaryOf } from './chaos.ts';
import { parseChaos } from './chaos-options.ts';
import type { DaemonProcess } from './daemon-process.ts';
import { picture } from './demo-picture.ts';
import { timelineOf } from './demo-timeline.ts';
import { ipBatch } from './namespace.ts';
import { buildBundle } from './bundle.ts';
import { scratch } from './environment.ts';
import { during, heading, say, until } from './progress.ts';
import {
  createSmallCloud,
  instances,
  poolEni,
  type InstanceName,
  type SmallCloud,
} from './small-cloud.ts';

const port = 7000;
const probeMs = 1_000;
const rounds = 5;
const logLines = 2_000;
const config = {
  pool: 'db',
  logs: {
    force_flush_interval: 1,
    logs_collected: {
      files: { collect_list: [{ file_path: '/var/log/app.log', log_group_name: 'app' }] },
    },
  },
};
/** Not those of AWS, but not zero either: the timeline shall look like one. */
const latency = { describeMs: 20, tagMs: 40, attachMs: 100, otherMs: 20 };
const dials = { attachMs: 100, detachMs: 100, deviceMs: 250, terminateMs: 1_500 };

const { values } = parseArgs({ options: { chaos: { type: 'string' } } });
const chaos = values.chaos === undefined ? undefined : parseChaos(values.chaos);
/** Of the time limits: a lost answer costs berth 5 s (of CloudWatch 30 s), and its waits grow. */
const patience = chaos === undefined ? 1 : 5;

const failures: string[] = [];
function expectThat(holds: boolean, what: string): void {
  say(`   ${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) failures.push(what);
}

type Count = { ok: number; of: number };

/** Both clients speak TCP to the pool address and to A's primary. */
async function speak({ vpc }: SmallCloud, times: number): Promise<Count> {
  const count = { ok: 0, of: 0 };
  for (let round = 0; round < times; round++) {
    for (const client of ['near', 'far']) {
      for (const ip of [poolEni.privateIpv4, instances['inst-a'].privateIpv4]) {
        const { ok } = await vpc.probe(client, ip, port, probeMs);
        count.of++;
        if (ok) count.ok++;
      }
    }
  }
  return count;
}

/** An attachment without a claim is served too, but another instance may then claim its ENI. */
function expectClaim({ lab }: SmallCloud, name: InstanceName): void {
  const owner = lab.ec2.eni(poolEni.eniId)!.tags['berth:owner'];
  expectThat(owner === lab.ec2.arnOf(instances[name].instanceId), `the claim names ${name}`);
}

async function bootA(daemon: DaemonProcess): Promise<number> {
  heading('Instance A boots: berth run, with CAP_NET_ADMIN and CAP_DAC_READ_SEARCH alone');
  say(
    `   simulated: describe ${latency.describeMs} ms, tag ${latency.tagMs} ms, attach ${latency.attachMs} ms, then ${dials.deviceMs} ms until the device is there`,
  );
  const ready = await during(
    'A gets ready',
    daemon.line('ready', (line) => line['phase'] === 'ready'),
  );
  for (const row of timelineOf(daemon.lines, 0)) say(`   ${row}`);
  return Number(ready['sinceStartMs']);
}

async function proveRouting(
  cloud: SmallCloud,
  daemon: DaemonProcess,
): Promise<{ count: Count; drops: number }> {
  heading('Clients speak TCP to the pool address and to the primary address of A');
  const { vpc } = cloud;
  await vpc.serve('inst-a', port);
  const before = await vpc.wrongSourceDrops();
  const count = await during('clients speak', speak(cloud, rounds));
  const drops = (await vpc.wrongSourceDrops()) - before;
  expectThat(
    count.ok === count.of,
    `${count.ok} of ${count.of} connections, from the same subnet and from the other`,
  );
  expectThat(drops === 0, `${drops} frames dropped for a wrong source`);

  say('   Contrast: berth is halted and its rules are deleted, the interface stays configured');
  daemon.kill('SIGSTOP');
  await ipBatch(['rule del priority 9500', 'rule del priority 9500'], 'inst-a');
  const contrast = await during(
    'clients speak',
    vpc.probe('far', poolEni.privateIpv4, port, probeMs),
  );
  const wrong = (await vpc.wrongSourceDrops()) - before;
  expectThat(
    !contrast.ok && wrong > 0,
    `the connection fails, ${wrong} frames dropped for a wrong source`,
  );
  const wokenMs = performance.now();
  daemon.kill('SIGCONT');
  await during(
    'berth puts the rules back',
    until(
      'the rules are back',
      30_000,
      async () => (await vpc.probe('far', poolEni.privateIpv4, port, 200)).ok || undefined,
    ),
  );
  say(
    `   ok   berth goes on and puts them back: served again after ${Math.round(performance.now() - wokenMs)} ms`,
  );
  return { count, drops };
}

async function proveShipping({ lab, varOf }: SmallCloud): Promise<Count> {
  heading('A line in a log file of A arrives in CloudWatch Logs');
  const path = join(varOf('inst-a'), 'log', 'app.log');
  const stream = instances['inst-a'].instanceId;
  const lines = Array.from({ length: logLines }, (_, index) => `${index} something happened`);
  const half = logLines / 2;
  const startMs = performance.now();
  await writeFile(path, `${lines.slice(0, 1)[0]}\n`);
  const arrived = (): number =>
    new Set(lab.logs.events('app', stream).map((event) => event.message)).size;
  await during(
    'the first line travels',
    until('the first line', 20_000 * patience, () => arrived() > 0 || undefined),
  );
  say(
    `   ok   group app, stream ${stream}, after ${Math.round(performance.now() - startMs)} ms (flush interval 1 s)`,
  );
  await appendFile(
    path,
    lines
      .slice(1, half)
      .map((line) => `${line}\n`)
      .join(''),
  );
  await rename(path, `${path}.1`);
  // The application still has the old file open for a moment.
  await appendFile(`${path}.1`, `${lines[half]}\n`);
  await writeFile(
    path,
    lines
      .slice(half + 1)
      .map((line) => `${line}\n`)
      .join(''),
  );
  await during(
    'the rest travels',
    until('all lines', 20_000 * patience, () => arrived() === logLines || undefined).catch(
      () => undefined,
    ),
  );
  expectThat(
    arrived() === logLines,
    `${arrived()} of ${logLines} lines, the file renamed and recreated in between`,
  );
  return { ok: arrived(), of: logLines };
}

async function takeOver(cloud: SmallCloud, a: DaemonProcess, b: DaemonProcess): Promise<number> {
  heading('A is terminated; B, which waits for a free ENI, takes over');
  const { lab, vpc } = cloud;
  await vpc.serve('inst-b', port);
  const startMs = performance.now();
  // B's clock, as its timeline counts.
  const startedMs = startMs - b.spawnedMs;
  await cloud.terminate('inst-a', a);
  let attempts = 0;
  await during(
    'B takes over',
    until('B serves the address', 40_000 * patience, async () => {
      attempts++;
      const { answer } = await vpc.probe('far', poolEni.privateIpv4, port, 200);
      return answer?.host === 'inst-b' || undefined;
    }),
  );
  const outageMs = Math.round(performance.now() - startMs);
  await b.line('ready', (line) => line['phase'] === 'ready');
  for (const row of timelineOf(b.lines, startedMs)) say(`   ${row}`);
  const eni = lab.ec2.eni(poolEni.eniId)!;
  const device = await b.line('its device', (line) => line['step'] === 'device');
  expectThat(
    eni.attachment?.instanceId === instances['inst-b'].instanceId &&
      String(device.msg).endsWith(`has the MAC ${poolEni.mac}`),
    `${poolEni.eniId} is attached to B: ${poolEni.privateIpv4}, ${poolEni.mac} as before`,
  );
  expectClaim(cloud, 'inst-b');
  say(
    `   The address was away for ${outageMs} ms (${attempts} attempts of the client), of which EC2 kept the ENI ${dials.terminateMs} ms;`,
  );
  say(
    "   the dead owner's claim was deleted by the reaper (an EventBridge rule and a Lambda, played by the lab)",
  );
  return outageMs;
}

async function main(): Promise<void> {
  say(picture);
  const bundle = await during('berth is bundled', buildBundle(join(scratch, 'bundle')));
  await using cloud = await during(
    'the VPC is built',
    createSmallCloud({ latency, dials, chaos, main: bundle }),
  );
  cloud.lab.ssm.put({ name: '/berth/config', value: JSON.stringify(config) });
  const daemons: Partial<Record<InstanceName, DaemonProcess>> = {};
  try {
    await tellStory(cloud, daemons);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
    if (cloud.chaos !== undefined) say(`chaos: seed ${chaos?.seed}, ${summaryOf(cloud.chaos)}`);
    for (const [name, daemon] of Object.entries(daemons)) {
      for (const line of daemon.lines.slice(-15)) say(`   ${name}: ${JSON.stringify(line)}`);
      if (daemon.stderr() !== '') say(`   ${name}: ${daemon.stderr()}`);
    }
  } finally {
    for (const daemon of Object.values(daemons)) await daemon[Symbol.asyncDispose]();
  }
  for (const failure of failures) say(`failed: ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}

async function tellStory(
  cloud: SmallCloud,
  daemons: Partial<Record<InstanceName, DaemonProcess>>,
): Promise<void> {
  const start = (name: InstanceName): DaemonProcess =>
    (daemons[name] = cloud.berth(name, ['run', '--log-level', 'debug']));
  const a = start('inst-a');
  const readyMs = await bootA(a);
  expectClaim(cloud, 'inst-a');
  const b = start('inst-b');
  const { count, drops } = await proveRouting(cloud, a);
  const shipped = await proveShipping(cloud);
  await during(
    'B waits',
    b.line('that it waits', (line) => line['phase'] === 'waiting-for-eni'),
  );
  const outageMs = await takeOver(cloud, a, b);
  b.kill('SIGTERM');
  expectThat((await b.ended) === 0, 'B stops cleanly on SIGTERM');
  const { judge } = cloud.lab;
  for (const violation of judge.violations) say(`   ${violation}`);
  if (judge.version === undefined) say(`   ${judge.summary()}`);
  else expectThat(judge.violations.length === 0, judge.summary());
  if (cloud.chaos !== undefined) {
    const isLost = [...a.lines, ...b.lines].some((line) => line['phase'] === 'lost');
    expectThat(!isLost, 'neither believed that it had lost the ENI');
    say(`chaos: seed ${chaos?.seed}, ${summaryOf(cloud.chaos)}`);
  }
  for (const failure of failures) say(`failed: ${failure}`);
  say(
    `demo: ready in ${readyMs} ms, ${count.ok} of ${count.of} connections ok, ${drops} frames dropped for a wrong source, ${shipped.ok} of ${shipped.of} log events delivered, taken over in ${outageMs} ms`,
  );
}

await main();
