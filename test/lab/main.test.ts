// `npm run lab` as a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DescribeNetworkInterfacesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';

type Told = {
  readonly endpoint: string;
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
