// Ships in a process of its own, to be killed: `node crash-child.ts '{"folder":...,"stateDir":...}'`.
import { join } from 'node:path';
import { createLog } from '../../src/log.ts';
import { startShipping } from '../../src/ship/ship.ts';
import { systemFiles } from '../../src/system/files.ts';
import { systemLines } from '../../src/system/lines.ts';
import { systemLogFiles } from '../../src/system/log-files.ts';
import { systemResolve } from '../../src/system/resolve.ts';
import { systemRandom } from '../../src/system/random.ts';
import { createHastyClock } from '../fakes/hasty-clock.ts';
import { logsConfig, logSource } from '../fixtures/log-source.ts';

const { folder, stateDir } = JSON.parse(process.argv[2]!) as { folder: string; stateDir: string };

startShipping(
  {
    clock: createHastyClock(20),
    random: systemRandom,
    files: systemFiles,
    logFiles: systemLogFiles,
    resolve: systemResolve,
    lines: systemLines,
    log: createLog('warn', (line) => void process.stderr.write(line)),
  },
  {
    logs: logsConfig({
      sources: [
        logSource({
          filePath: join(folder, 'app.log'),
          logGroupName: 'app',
          logStreamName: 'i-1',
        }),
      ],
      forceFlushMs: 20,
    }),
    instanceId: 'i-crash',
    stateDir,
    agentState: join(folder, 'agent-state'),
    access: {
      region: 'eu-central-1',
      credentials: async () => ({
        accessKeyId: 'AKIALAB',
        secretAccessKey: 'secret',
        sessionToken: 'token',
        expiresAtMs: Date.now() + 3_600_000,
      }),
    },
  },
  new AbortController().signal,
);
