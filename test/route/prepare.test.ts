// Before the claim: what would keep this process from setting routes is said then.
import { expect, test } from 'vitest';
import { BerthError } from '../../src/errors.ts';
import { prepareRouting } from '../../src/route/prepare.ts';
import type { Exec } from '../../src/system/exec.ts';
import { systemFiles, type Files } from '../../src/system/files.ts';
import { createMemoryLog } from '../fakes/log.ts';

const { signal } = new AbortController();

function createWorld(capabilities: string) {
  const ran: string[] = [];
  const exec: Exec = {
    run: async ({ argv }) => {
      ran.push(argv.join(' '));
      throw new BerthError('command-missing', `cannot run "${argv[0]}": it is not installed`);
    },
    follow: () => Promise.reject(new Error('nothing is followed')),
  };
  const files: Files = {
    ...systemFiles,
    readText: async () => `Name:\tnode\nCapEff:\t${capabilities}\n`,
  };
  return { ran, exec, files, log: createMemoryLog() };
}

test('no iproute2: says what to install', async () => {
  await expect(prepareRouting(createWorld('0000000000001000'), signal)).rejects.toMatchObject({
    code: 'command-missing',
    message: 'cannot run "ip": install iproute2',
  });
});

test('no CAP_NET_ADMIN: says so, and runs nothing', async () => {
  const world = createWorld('0000000000000004');
  await expect(prepareRouting(world, signal)).rejects.toMatchObject({ code: 'not-permitted' });
  expect(world.ran).toEqual([]);
});
