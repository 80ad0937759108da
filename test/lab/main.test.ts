// `npm run lab` as a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { DescribeNetworkInterfacesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { expect, test } from 'vitest';
import { drawDials } from './dials.ts';

type Told = {
  readonly endpoint: string;
  readonly withoutChaos?: string;
  readonly region: string;
  readonly operator: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly instances: readonly { readonly instanceId: string; readonly imds: string }[];
  readonly enis: readonly string[];
};

test.each(['SIGTERM', 'SIGINT'] as const)(
  'tells one line of JSON, serves, ends at %s',
  async (signal) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    try {
      const lines: string[] = [];
      const reader = createInterface({ input: child.stdout });
      reader.on('line', (line) => lines.push(line));
      await once(reader, 'line');
      const told = JSON.parse(lines[0]!) as Told;
      const client = new EC2Client({
        endpoint: told.endpoint,
        region: told.region,
        credentials: told.operator,
      });
      const { NetworkInterfaces } = await client.send(
        new DescribeNetworkInterfacesCommand({
          Filters: [{ Name: 'tag:berth:pool', Values: ['db'] }],
        }),
      );
      expect(NetworkInterfaces!.map((eni) => eni.NetworkInterfaceId)).toEqual(told.enis);
      expect(told.instances).toHaveLength(2);
      for (const { imds } of told.instances) {
        const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' };
        const token = await fetch(`${imds}/latest/api/token`, { method: 'PUT', headers });
        expect(token.status).toBe(200);
      }
      // With connections open: they must not hold it back.
      child.kill(signal);
      expect(await exit).toEqual([0, null]);
      expect(lines).toHaveLength(1);
      client.destroy();
    } finally {
      child.kill('SIGKILL');
    }
  },
);

test('--chaos puts the proxy in front, and a mistake in it is told', async () => {
  const main = join(import.meta.dirname, 'main.ts');
  const child = spawn(process.execPath, [main, '--chaos', 'seed=7,throttle=1@ssm:*'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const told = JSON.parse(line) as Told;
    const read = (endpoint: string): Promise<unknown> => {
      const { region, operator: credentials } = told;
      const client = new SSMClient({ endpoint, region, credentials, maxAttempts: 1 });
      return client.send(new GetParameterCommand({ Name: '/berth/config' }));
    };
    await expect(read(told.endpoint)).rejects.toThrow('Request limit exceeded.');
    await expect(read(told.withoutChaos!)).resolves.toMatchObject({
      Parameter: { Name: '/berth/config' },
    });
  } finally {
    child.kill('SIGKILL');
  }
  const wrong = spawn(process.execPath, [main, '--chaos', 'throttle=1'], { stdio: 'pipe' });
  const [said, [code]] = await Promise.all([text(wrong.stderr), once(wrong, 'exit')]);
  expect(said).toContain('cannot read it without a seed in --chaos');
  expect(code).toBe(1);
});

test('--seed draws the dials and tells them, and a mistake in it is told', async () => {
  const main = join(import.meta.dirname, 'main.ts');
  const child = spawn(process.execPath, [main, '--seed', '7'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    expect((JSON.parse(line) as { readonly dials: unknown }).dials).toEqual(drawDials(7));
  } finally {
    child.kill('SIGKILL');
  }
  const wrong = spawn(process.execPath, [main, '--seed', 'x'], { stdio: 'pipe' });
  const [said, [code]] = await Promise.all([text(wrong.stderr), once(wrong, 'exit')]);
  expect(said).toContain('cannot read the seed "x" in --seed');
  expect(code).toBe(1);
});
