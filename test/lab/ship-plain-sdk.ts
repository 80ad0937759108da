// What anybody would write first, as a contestant of `npm run bench:ship`: readline and PutLogEventsCommand.
// `node ship-plain-sdk.ts FILE ...`; two files at a time; stays until it is killed.
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import {
  CloudWatchLogsClient,
  PutLogEventsCommand,
  type InputLogEvent,
} from '@aws-sdk/client-cloudwatch-logs';
import { maxBatchBytes, maxBatchEvents, perEventBytes } from './ship-limits.ts';

const client = new CloudWatchLogsClient({ region: 'eu-central-1' });
const inFlight = 2;

/** The next batch is read while one is under way. */
async function ship(path: string): Promise<void> {
  let [events, bytes]: [InputLogEvent[], number] = [[], 0];
  let sending: Promise<unknown> = Promise.resolve();
  const send = async (): Promise<void> => {
    await sending;
    sending = client.send(
      new PutLogEventsCommand({
        logGroupName: 'bench',
        logStreamName: basename(path),
        logEvents: events,
      }),
    );
    [events, bytes] = [[], 0];
  };
  for await (const message of createInterface({ input: createReadStream(path) })) {
    const size = Buffer.byteLength(message) + perEventBytes;
    if (bytes + size > maxBatchBytes || events.length === maxBatchEvents) await send();
    events.push({ timestamp: Date.now(), message });
    bytes += size;
  }
  if (events.length > 0) await send();
  await sending;
}

const paths = process.argv.slice(2);
await Promise.all(
  Array.from({ length: inFlight }, async () => {
    for (let path = paths.shift(); path !== undefined; path = paths.shift()) await ship(path);
  }),
);
setInterval(() => undefined, 60_000);
