// kill -9 at random moments, with a writer and a rotation that do not care: nothing is lost, little comes twice.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { maxKernels } from '../../src/ship/bulk.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { createRig, intact, numbered, textOf, type Rig } from './rig.ts';

const lives = 6;

function start(rig: Rig) {
  const argument = JSON.stringify({ folder: rig.folder, stateDir: rig.stateDir });
  return spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), argument], {
    env: { ...process.env, AWS_ENDPOINT_URL: rig.front.endpoint },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

test('nothing is lost by kill -9, and no more comes twice than was under way', async () => {
  await using rig = await createRig();
  const random = createSeededRandom(7);
  rig.front.latency.otherMs = 5;
  const lines: string[] = [];
  const write = (count: number): void => {
    const more = numbered(lines.length, count);
    lines.push(...more);
    appendFileSync(rig.path('app.log'), textOf(more));
  };
  let rotations = 0;
  const rotate = (): void => {
    const name = `app.log-20260131-${String(rotations++).padStart(6, '0')}`;
    renameSync(rig.path('app.log'), rig.path(name));
  };

  write(2_000);
  for (let life = 0; life < lives; life++) {
    const child = start(rig);
    const exit = once(child, 'exit');
    let calls = 1 + Math.floor(random.next() * 6);
    const forget = rig.front.onCall(() => {
      // As soon as the answer is on its way, or some while later: the number decides.
      if (--calls <= 0) setTimeout(() => child.kill('SIGKILL'), random.next() * 10);
    });
    // A writer that waits for nobody.
    const writer = setInterval(() => {
      write(200);
      // What was rotated before berth ever saw the file is not its business.
      if (rig.front.calls.length > 0 && random.next() < 0.1) rotate();
    }, 10);
    await exit;
    forget();
    clearInterval(writer);
    write(500);
    if (random.next() < 0.5) {
      rotate();
      write(500);
    }
  }

  const child = start(rig);
  const { repeats, ...rest } = await rig.delivery(lines);
  child.kill('SIGKILL');
  expect({ ...rest, repeats: 0 }).toEqual(intact);
  const largest = Math.max(
    ...rig.calls('PutLogEvents').map(({ input }) => (input['logEvents'] as unknown[]).length),
  );
  // Those under way, and the one whose position is being saved.
  expect(repeats).toBeLessThanOrEqual(lives * (maxKernels + 1) * largest);
  expect(lines.length).toBeGreaterThan(10_000);
}, 240_000);

test('a batch that was refused while those behind it were accepted keeps its place over kill -9', async () => {
  await using rig = await createRig();
  const lines = numbered(0, 150_000);
  writeFileSync(rig.path('app.log'), textOf(lines));
  const child = start(rig);
  const exit = once(child, 'exit');
  const fault = { kind: 'error', status: 400, code: 'ThrottlingException' } as const;
  // So that several are under way.
  rig.front.latency.otherMs = 50;
  let accepted = 0;
  let refused: string | undefined;
  rig.front.onCall(({ action, code, input }) => {
    if (action !== 'PutLogEvents') return;
    const [{ message }] = input['logEvents'] as [{ readonly message: string }];
    if (code === fault.code) refused = message;
    else if (refused !== undefined && message > refused) child.kill('SIGKILL');
    else if (code === undefined && ++accepted === 3)
      rig.front.fail({ match: 'logs:PutLogEvents', times: 1, fault });
  });
  await exit;
  const next = start(rig);
  const { repeats, ...rest } = await rig.delivery(lines);
  next.kill('SIGKILL');
  expect({ ...rest, repeats: 0 }).toEqual(intact);
  // What overtook it.
  expect(repeats).toBeGreaterThan(0);
}, 240_000);
