// Compression: what goes out of the VPC, and what the configuration says.
import { gunzipSync } from 'node:zlib';
import { appendFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { createCompressor } from '../../src/ship/compression.ts';
import { createFakeClock } from '../fakes/clock.ts';
import { createRig } from './rig.ts';

const body = Buffer.from('line '.repeat(1_000));

describe('auto', () => {
  test.each([
    ['10.0.0.5', false],
    ['172.31.0.9', false],
    ['192.168.1.1', false],
    ['127.0.0.1', false],
    ['fd00:ec2::1', false],
    ['52.94.5.1', true],
    ['172.32.0.1', true],
    ['2600:1f00::1', true],
  ])('an endpoint at %s: compressed %s', async (address, packed) => {
    const deps = { clock: createFakeClock(), resolve: async () => address };
    const compressed = await createCompressor('auto', deps).compress(body, 'logs.example');
    expect(compressed !== undefined).toBe(packed);
  });

  test('asks for the address once in ten minutes, and lives with no answer', async () => {
    const clock = createFakeClock();
    const resolve = vi.fn<(host: string) => Promise<string>>(async () => '52.94.5.1');
    const compressor = createCompressor('auto', { clock, resolve });
    await compressor.compress(body, 'a');
    await compressor.compress(body, 'a');
    expect(resolve).toHaveBeenCalledTimes(1);
    await clock.sleep(600_001, new AbortController().signal);
    resolve.mockRejectedValue(new Error('no such name'));
    expect(await compressor.compress(body, 'a')).toBeDefined();
    expect(resolve).toHaveBeenCalledTimes(2);
  });
});

test('gzip is what it was, and small bodies stay as they are', async () => {
  const deps = { clock: createFakeClock(), resolve: async () => '127.0.0.1' };
  const compressor = createCompressor('gzip', deps);
  const packed = await compressor.compress(body, 'a');
  expect(gunzipSync(packed!)).toEqual(body);
  expect(await compressor.compress(Buffer.from('short'), 'a')).toBeUndefined();
});

test('none compresses nothing', async () => {
  const deps = { clock: createFakeClock(), resolve: async () => '52.94.5.1' };
  expect(await createCompressor('none', deps).compress(body, 'a')).toBeUndefined();
});

test.each(['small reads', 'bulk'])('compressed events arrive: %s', async (kind) => {
  await using rig = await createRig();
  const lines = Array.from(
    { length: kind === 'bulk' ? 20_000 : 200 },
    (_, i) => `line number ${i}`,
  );
  appendFileSync(rig.path('app.log'), `${lines.join('\n')}\n`);
  rig.start({ logs: { compression: 'gzip' } });
  await vi.waitFor(() => expect(rig.arrived()).toEqual(lines), 10_000);
  expect(rig.calls('PutLogEvents').some(({ compressed }) => compressed)).toBe(true);
});
