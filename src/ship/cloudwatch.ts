// CloudWatch Logs through the AWS SDK, which is loaded with the first call.
import type { PutLogEventsCommandOutput } from '@aws-sdk/client-cloudwatch-logs';
import { awsClientConfig, type AwsAccess } from '../system/aws.ts';
import { hasCode } from '../errors.ts';
import type { GroupOptions, LogEntity, LogsConfig } from '../model/logs.ts';
import type { Clock } from '../system/clock.ts';
import type { Resolve } from '../system/resolve.ts';
import type { LogEvent } from './batch.ts';
import { classifyLogsError } from './cloudwatch-errors.ts';
import { createCompressor } from './compression.ts';
import type { LogTarget } from './log-target.ts';
import { createPace } from './pace.ts';
import { createPutBody } from './put-body.ts';

/** Which events of a batch CloudWatch refused, by their place in it. */
export type Rejection = {
  /** Those in front are older than 14 days; exclusive. */
  readonly tooOldEnd: number;
  /** Those in front are older than the retention of the group; exclusive. */
  readonly expiredEnd: number;
  /** This and those behind are more than 2 h ahead; inclusive. */
  readonly tooNewStart: number;
};

export type Answer = {
  /** undefined: all were accepted. */
  readonly rejection: Rejection | undefined;
  /** Why CloudWatch did not take the entity; the events are there all the same. */
  readonly entityProblem: string | undefined;
};

/** All throw as `classifyLogsError` says, or the signal's reason. */
export type CloudWatchLogs = {
  /** What throttling has left of the calls a second; undefined: no limit is known. */
  readonly callsPerSecond: number | undefined;
  /** How far its clock was ahead of ours at its last answer; 0: less than a minute. */
  readonly clockOffsetMs: number;
  putEvents(
    target: LogTarget,
    events: readonly LogEvent[],
    entity: LogEntity | undefined,
    signal: AbortSignal,
  ): Promise<Answer>;
  /** The same with a body that is made already: `bodyAround` has what goes before and behind its events. */
  putBody(body: Uint8Array, signal: AbortSignal): Promise<Answer>;
  /** Without its retention. */
  createGroup(group: string, options: GroupOptions, signal: AbortSignal): Promise<void>;
  createStream(target: LogTarget, signal: AbortSignal): Promise<void>;
  /** In days; undefined: it keeps everything, or there is no such group. */
  retentionOf(group: string, signal: AbortSignal): Promise<number | undefined>;
  putRetention(group: string, days: number, signal: AbortSignal): Promise<void>;
};

/** A batch of 1 MB needs more than the usual 5 s on a slow link; given up too early, it would be sent for ever. */
const requestTimeoutMs = 30_000;
const minuteMs = 60_000;

export type CloudWatchOptions = Pick<LogsConfig, 'compression' | 'endpoint' | 'maxBytesPerSecond'>;

/** As much of the SDK's request as is touched here. */
type WireRequest = {
  readonly hostname: string;
  readonly headers: Record<string, string>;
  body: Uint8Array | string;
};

export function createCloudWatchLogs(
  deps: { readonly clock: Clock; readonly resolve: Resolve },
  access: AwsAccess,
  { compression, endpoint, maxBytesPerSecond }: CloudWatchOptions,
): CloudWatchLogs & Disposable {
  const pace = createPace(deps.clock, { maxBytesPerSecond });
  const compressor = createCompressor(compression, deps);
  /** The SDK keeps credentials until shortly before their end: a new client reads them anew. */
  let refused = false;
  /** Where the SDK notes what the answers say of the time. */
  let noted = { systemClockOffset: 0 };
  let clockOffsetMs = 0;
  const connect = async () => {
    const sdk = await import('./cloudwatch-sdk.ts');
    const config = awsClientConfig(access, { refused, clockOffsetMs: noted.systemClockOffset });
    const client = new sdk.CloudWatchLogsClient({
      ...config,
      ...(endpoint === undefined ? {} : { endpoint }),
      requestHandler: { ...config.requestHandler, requestTimeout: requestTimeoutMs },
    });
    refused = false;
    noted = client.config;
    client.middlewareStack.add(
      (next) => async (args) => {
        const request = args.request as WireRequest;
        if ('logEvents' in args.input) {
          const packed = await compressor.compress(bytesOf(request.body), request.hostname);
          if (packed !== undefined) {
            request.body = packed;
            request.headers['content-encoding'] = 'gzip';
          }
        }
        return await next(args);
      },
      { step: 'build', priority: 'high', name: 'berthBody' },
    );
    const createCommand = () =>
      new sdk.PutLogEventsCommand({ logGroupName: '', logStreamName: '', logEvents: [] });
    const putBody = createPutBody({ clock: deps.clock, compressor, client, createCommand });
    return { sdk, client, putBody };
  };
  type Connection = Awaited<ReturnType<typeof connect>>;
  type Connecting = { readonly ready: Promise<Connection>; calls: number };
  let current: Connecting | undefined;
  const destroy = ({ ready }: Connecting): void =>
    void ready.then(({ client }) => client.destroy()).catch(() => undefined);

  const call = async <T>(
    action: string,
    signal: AbortSignal,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted();
    const mine = (current ??= { ready: connect(), calls: 0 });
    mine.calls++;
    try {
      return await work(await mine.ready);
    } catch (error) {
      signal.throwIfAborted();
      const classified = classifyLogsError(action, error);
      // Of those that fail together, the first is enough.
      if (hasCode(classified, 'aws-credentials') && current === mine) {
        refused = true;
        current = undefined;
      }
      throw classified;
    } finally {
      mine.calls--;
      // The others go to their end: cut off, their events would come twice.
      if (mine.calls === 0 && current !== mine) destroy(mine);
    }
  };

  /** PutLogEvents, when its turn has come. */
  const put = async (
    bytes: number,
    signal: AbortSignal,
    work: (connection: Connection) => Promise<Parameters<typeof answerOf>[0]>,
  ): Promise<Answer> => {
    await pace.turn(bytes, signal);
    try {
      const answer = await call('PutLogEvents', signal, work);
      pace.accepted();
      return answerOf(answer);
    } catch (error) {
      if (hasCode(error, 'aws-throttled')) pace.throttled();
      // Many streams that are to be made come at once: each asks in vain first.
      else if (hasCode(error, 'log-target-missing')) pace.accepted();
      throw error;
    }
  };

  return {
    get callsPerSecond() {
      return pace.callsPerSecond;
    },
    get clockOffsetMs() {
      const nowMs = noted.systemClockOffset;
      // Its answers tell the time to the second: what they say of it must not go back and forth with each.
      if (Math.abs(nowMs - clockOffsetMs) >= minuteMs) clockOffsetMs = nowMs;
      if (Math.abs(clockOffsetMs) < minuteMs) clockOffsetMs = 0;
      return clockOffsetMs;
    },
    putEvents: (target, events, entity, signal) => {
      const input = {
        logGroupName: target.group,
        logStreamName: target.stream,
        logEvents: events.map(({ timestampMs, message }) => ({ timestamp: timestampMs, message })),
        ...(entity === undefined ? {} : { entity: entityOf(entity) }),
      };
      // As the SDK writes it; who has no limit does not pay for the counting.
      const bytes = maxBytesPerSecond === undefined ? 0 : Buffer.byteLength(JSON.stringify(input));
      return put(bytes, signal, async ({ sdk, client }) => {
        const command = new sdk.PutLogEventsCommand(input);
        return await client.send(command, { abortSignal: signal });
      });
    },
    putBody: (body, signal) => put(body.length, signal, ({ putBody }) => putBody(body, signal)),
    createGroup: (group, options, signal) =>
      call('CreateLogGroup', signal, async ({ sdk, client }) => {
        const command = new sdk.CreateLogGroupCommand({
          logGroupName: group,
          ...(options.class === undefined ? {} : { logGroupClass: options.class }),
          ...(options.kmsKeyId === undefined ? {} : { kmsKeyId: options.kmsKeyId }),
          ...(options.tags === undefined ? {} : { tags: options.tags }),
        });
        await client.send(command, { abortSignal: signal });
      }),
    retentionOf: (group, signal) =>
      call('DescribeLogGroups', signal, async ({ sdk, client }) => {
        const command = new sdk.DescribeLogGroupsCommand({ logGroupNamePrefix: group });
        const { logGroups } = await client.send(command, { abortSignal: signal });
        return logGroups?.find(({ logGroupName }) => logGroupName === group)?.retentionInDays;
      }),
    putRetention: (group, days, signal) =>
      call('PutRetentionPolicy', signal, async ({ sdk, client }) => {
        const command = new sdk.PutRetentionPolicyCommand({
          logGroupName: group,
          retentionInDays: days,
        });
        await client.send(command, { abortSignal: signal });
      }),
    createStream: ({ group, stream }, signal) =>
      call('CreateLogStream', signal, async ({ sdk, client }) => {
        const command = new sdk.CreateLogStreamCommand({
          logGroupName: group,
          logStreamName: stream,
        });
        await client.send(command, { abortSignal: signal });
      }),
    [Symbol.dispose]: () => {
      if (current !== undefined) destroy(current);
      current = undefined;
    },
  };
}

/** The SDK's own bytes complain when they are taken for a string. */
function bytesOf(body: Uint8Array | string): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body);
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
}

/** What goes around the events of a body of PutLogEvents. */
export function bodyAround(
  { group, stream }: LogTarget,
  entity: LogEntity | undefined,
): { readonly prefix: string; readonly suffix: string } {
  const names = `"logGroupName":${JSON.stringify(group)},"logStreamName":${JSON.stringify(stream)}`;
  const more = entity === undefined ? '' : `,"entity":${JSON.stringify(entityOf(entity))}`;
  return { prefix: `{${names},"logEvents":[`, suffix: `]${more}}` };
}

function answerOf({
  rejectedLogEventsInfo: info,
  rejectedEntityInfo,
}: Omit<PutLogEventsCommandOutput, '$metadata'>): Answer {
  return {
    rejection: info && {
      tooOldEnd: info.tooOldLogEventEndIndex ?? 0,
      expiredEnd: info.expiredLogEventEndIndex ?? 0,
      tooNewStart: info.tooNewLogEventStartIndex ?? Infinity,
    },
    entityProblem: rejectedEntityInfo?.errorType,
  };
}

/** As the CloudWatch agent says it (logs.md section 1). */
function entityOf(entity: LogEntity) {
  return {
    keyAttributes: known({
      Type: 'Service',
      Name: entity.service,
      Environment: entity.environment,
      AwsAccountId: entity.accountId,
    }),
    attributes: known({
      PlatformType: 'AWS::EC2',
      'EC2.InstanceId': entity.instanceId,
      'EC2.AutoScalingGroup': entity.autoScalingGroup,
      'AWS.ServiceNameSource': 'UserConfiguration',
    }),
  };
}

function known(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
