// Probes of PutLogEvents: order, span, age, sizes, compression, entity.
import { gzipSync } from 'node:zlib';
import * as sdk from '@aws-sdk/client-cloudwatch-logs';
import type { Ground } from './probe-ground.ts';
import { newGroup } from './probe-logs.ts';
import { answerOf, changing, found, type Answer } from './probe.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const overheadBytes = 26;
const maxBatchBytes = 1_048_576;

/** Ages in milliseconds; below 0: ahead of time. */
type Event = readonly [ageMs: number, message: string];

type More = Partial<sdk.PutLogEventsCommandInput> & { readonly gzip?: boolean };

/** Into a new stream, unless `more` says otherwise. */
const put = async (ground: Ground, events: readonly Event[], more: More = {}): Promise<Answer> => {
  const { gzip = false, ...input } = more;
  const logGroupName = input.logGroupName ?? (await newGroup(ground));
  if (input.logStreamName === undefined) {
    await ground.logs.send(new sdk.CreateLogStreamCommand({ logGroupName, logStreamName: 's' }));
  }
  const nowMs = ground.clock.nowMs();
  const command = new sdk.PutLogEventsCommand({
    logGroupName,
    logStreamName: 's',
    logEvents: events.map(([ageMs, message]) => ({ timestamp: nowMs - ageMs, message })),
    ...input,
  });
  if (gzip) compress(command);
  return answerOf(ground.logs.send(command), ({ rejectedLogEventsInfo, rejectedEntityInfo }) => ({
    ...(rejectedLogEventsInfo === undefined ? {} : { rejected: rejectedLogEventsInfo }),
    ...(rejectedEntityInfo === undefined ? {} : { entity: rejectedEntityInfo.errorType }),
  }));
};

/** Before the signature, which is over the compressed bytes. */
function compress(command: sdk.PutLogEventsCommand): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as { body: string; headers: Record<string, string> };
      const body = gzipSync(request.body);
      Object.assign(request, { body });
      request.headers['content-encoding'] = 'gzip';
      request.headers['content-length'] = String(body.length);
      return next(args);
    },
    { step: 'build', priority: 'low' },
  );
}

const many = (count: number): readonly Event[] => Array.from({ length: count }, () => [0, 'x']);

/** Two events of so many bytes together, overhead included. */
const batchOf = (bytes: number): readonly Event[] => {
  const half = Math.floor(bytes / 2);
  return [half, bytes - half].map((each) => [0, 'x'.repeat(each - overheadBytes)] as const);
};

const service = (keyAttributes: Record<string, string>): More => ({
  entity: { keyAttributes, attributes: { PlatformType: 'AWS::EC2' } },
});

export const putLogEventsProbes = changing('events', {
  one: (ground) => put(ground, [[0, 'hello']]),
  'into an unknown group': (ground) =>
    put(ground, [[0, 'x']], { logGroupName: ground.name(), logStreamName: 's' }),
  'into an unknown stream': async (ground) =>
    put(ground, [[0, 'x']], { logGroupName: await newGroup(ground), logStreamName: 'none' }),
  'not in order': (ground) =>
    put(ground, [
      [0, 'x'],
      [1000, 'y'],
    ]),
  'over more than 24 hours': (ground) =>
    put(ground, [
      [dayMs + hourMs, 'x'],
      [0, 'y'],
    ]),
  none: (ground) => put(ground, []),
  'an empty message': (ground) => put(ground, [[0, '']]),
  '10,000': (ground) => put(ground, many(10_000)),
  '10,001': (ground) => put(ground, many(10_001)),
  'the most bytes': (ground) => put(ground, batchOf(maxBatchBytes)),
  'a byte more than that': (ground) => put(ground, batchOf(maxBatchBytes + 1)),
  'one of the most bytes': (ground) =>
    put(ground, [[0, 'x'.repeat(maxBatchBytes - overheadBytes)]]),
  '2 too old, 1 good, 2 too new': (ground) =>
    put(ground, [
      [16 * dayMs, 'a'],
      [15 * dayMs, 'b'],
      [0, 'c'],
      [-3 * hourMs, 'd'],
      [-4 * hourMs, 'e'],
    ]),
  'all too old': (ground) => put(ground, [[15 * dayMs, 'x']]),
  'older than the retention': async (ground) => {
    const logGroupName = await newGroup(ground);
    await ground.logs.send(new sdk.PutRetentionPolicyCommand({ logGroupName, retentionInDays: 1 }));
    return put(
      ground,
      [
        [2 * dayMs, 'x'],
        [0, 'y'],
      ],
      { logGroupName },
    );
  },
  'with a wrong sequence token': (ground) => put(ground, [[0, 'x']], { sequenceToken: '1' }),
  'compressed with gzip': (ground) => put(ground, [[0, 'x']], { gzip: true }),
  'an entity': (ground) =>
    put(
      ground,
      [[0, 'x']],
      service({ Type: 'Service', Name: 'berth', Environment: 'ec2:default' }),
    ),
  'an entity without a type': (ground) =>
    put(ground, [[0, 'x']], service({ Name: 'berth', Environment: 'ec2:default' })),
  'an entity of an unknown type': (ground) =>
    put(ground, [[0, 'x']], service({ Type: 'Nonsense', Name: 'berth' })),
  'EMF in Infrequent Access': async (ground) => {
    const logGroupName = await newGroup(ground, { logGroupClass: 'INFREQUENT_ACCESS' });
    const aws = {
      Timestamp: ground.clock.nowMs(),
      CloudWatchMetrics: [{ Namespace: 'berth', Dimensions: [[]], Metrics: [{ Name: 'm' }] }],
    };
    return put(ground, [[0, JSON.stringify({ _aws: aws, m: 1 })]], { logGroupName });
  },
  'what is read back': async (ground) => {
    const logGroupName = await newGroup(ground);
    await put(
      ground,
      [
        [1000, 'one'],
        [0, 'two é'],
      ],
      { logGroupName },
    );
    const startMs = ground.clock.monotonicMs();
    for (;;) {
      const { events } = await ground.logs.send(
        new sdk.GetLogEventsCommand({ logGroupName, logStreamName: 's', startFromHead: true }),
      );
      // Reading lags behind on AWS.
      const late = ground.clock.monotonicMs() - startMs > 60_000;
      if (events!.length === 2 || late) return found(events!.map(({ message }) => message));
      await ground.clock.sleep(1000, new AbortController().signal);
    }
  },
});
