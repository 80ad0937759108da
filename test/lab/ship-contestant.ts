// berth's own shipping as a contestant of `npm run bench:ship`: a process that ships what its configuration names until
// it is told to stop. `node ship-contestant.ts CONFIG`, by JSON; the endpoint comes from the environment.
import { join } from 'node:path';
import { createLog } from '../../src/log.ts';
import type { LogsConfig } from '../../src/model/logs.ts';
import { startShipping } from '../../src/ship/ship.ts';
import { growSlowly } from '../../src/system/heap.ts';
import { createPorts } from '../../src/system/ports.ts';

async function main(): Promise<void> {
  const { logs, stateDir } = JSON.parse(process.argv[2]!) as {
    readonly logs: LogsConfig;
    readonly stateDir: string;
  };
  const over = new AbortController();
  using ports = createPorts(createLog('warn', (line) => process.stderr.write(line)));
  const shipping = startShipping(
    ports,
    {
      logs,
      instanceId: 'i-0123456789abcdef0',
      stateDir,
      agentState: join(stateDir, 'agent-state'),
      access: {
        region: 'eu-central-1',
        credentials: () =>
          Promise.resolve({
            accessKeyId: process.env['AWS_ACCESS_KEY_ID']!,
            secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY']!,
            sessionToken: 'token',
            expiresAtMs: Date.now() + 3_600_000,
          }),
      },
    },
    over.signal,
  );
  await new Promise((resolve) => process.once('SIGTERM', resolve));
  await shipping.stop(AbortSignal.timeout(5_000));
}

// As daemon.ts does it.
growSlowly();
void main();
