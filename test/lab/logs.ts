// The lab's CloudWatch Logs: groups, streams and every rule of PutLogEvents, in memory.
import { rejectedEntity } from './logs-entity.ts';
import { AwsFault, type LabRequest, type LabService } from './service.ts';

export type LabLogEvent = { readonly timestamp: number; readonly message: string };

export type LabLogs = LabService & {
  /** What was accepted, in the order of arrival; empty for an unknown stream. */
  events(group: string, stream: string): readonly LabLogEvent[];
  groups(): readonly string[];
  streams(group: string): readonly string[];
};

export type LabLogsOptions = {
  readonly clock: { nowMs(): number };
  /** `arn:aws:logs:eu-west-1:111122223333:log-group:` */
  readonly arnPrefix: string;
  /** Takes what was accepted, which the service then does not keep: an hour of it is much. */
  readonly onAccepted?: (events: readonly LabLogEvent[], group: string, stream: string) => void;
};

type Stream = {
  readonly name: string;
  readonly createdMs: number;
  readonly events: LabLogEvent[];
  /** When each of the events arrived. */
  readonly ingestedMs: number[];
};

type Group = {
  readonly name: string;
  readonly createdMs: number;
  readonly logGroupClass: string;
  readonly streams: Map<string, Stream>;
  retentionDays: number | undefined;
};

type Input = Readonly<Record<string, unknown>>;
type Answer = Readonly<Record<string, unknown>>;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const maxBatchBytes = 1_048_576;
const eventOverheadBytes = 26;
const maxBatchEvents = 10_000;
const maxAgeMs = 14 * dayMs;
const maxAheadMs = 2 * hourMs;
const retentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
  3653,
];
const groupClasses = ['STANDARD', 'INFREQUENT_ACCESS', 'ESSENTIALS', 'DELIVERY'];

export function createLogsService({ clock, arnPrefix, onAccepted }: LabLogsOptions): LabLogs {
  const groups = new Map<string, Group>();

  const groupOf = (input: Input): Group => {
    const group = groups.get(groupName(input));
    if (group === undefined) {
      throw new AwsFault(
        400,
        'ResourceNotFoundException',
        'The specified log group does not exist.',
      );
    }
    return group;
  };
  const streamOf = (input: Input): Stream => {
    const group = groupOf(input);
    const stream = group.streams.get(streamName(input));
    if (stream === undefined) {
      throw new AwsFault(
        400,
        'ResourceNotFoundException',
        'The specified log stream does not exist.',
      );
    }
    return stream;
  };

  const operations: Readonly<Record<string, (input: Input) => Answer>> = {
    CreateLogGroup: (input) => {
      const name = groupName(input);
      const logGroupClass = input['logGroupClass'] ?? 'STANDARD';
      if (!groupClasses.includes(logGroupClass as string)) throw invalid('logGroupClass');
      if (groups.has(name)) throw exists('log group');
      groups.set(name, {
        name,
        createdMs: clock.nowMs(),
        logGroupClass: logGroupClass as string,
        streams: new Map(),
        retentionDays: undefined,
      });
      return {};
    },

    DeleteLogGroup: (input) => {
      groups.delete(groupOf(input).name);
      return {};
    },

    CreateLogStream: (input) => {
      const { streams } = groupOf(input);
      const name = streamName(input);
      if (streams.has(name)) throw exists('log stream');
      streams.set(name, {
        name,
        createdMs: clock.nowMs(),
        events: [],
        ingestedMs: [],
      });
      return {};
    },

    PutRetentionPolicy: (input) => {
      const group = groupOf(input);
      const days = input['retentionInDays'];
      if (!retentionDays.includes(days as number)) throw invalid('retentionInDays');
      group.retentionDays = days as number;
      return {};
    },

    DescribeLogGroups: (input) => {
      const prefix = textOf(input, 'logGroupNamePrefix');
      const found = [...groups.values()]
        .filter(({ name }) => name.startsWith(prefix))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map((group) => ({
          logGroupName: group.name,
          creationTime: group.createdMs,
          logGroupClass: group.logGroupClass,
          arn: `${arnPrefix}${group.name}:*`,
          logGroupArn: arnPrefix + group.name,
          metricFilterCount: 0,
          storedBytes: 0,
          ...(group.retentionDays === undefined ? {} : { retentionInDays: group.retentionDays }),
        }));
      return page('logGroups', found, input);
    },

    DescribeLogStreams: (input) => {
      const group = groupOf(input);
      const prefix = textOf(input, 'logStreamNamePrefix');
      const byEvent = input['orderBy'] === 'LastEventTime';
      if (byEvent && prefix !== '') {
        throw invalidBatch('Cannot order by LastEventTime with a logStreamNamePrefix.');
      }
      const sorted = [...group.streams.values()]
        .filter(({ name }) => name.startsWith(prefix))
        .toSorted(
          (a, b) => (byEvent && lastEventMs(a) - lastEventMs(b)) || (a.name < b.name ? -1 : 1),
        );
      const found = (input['descending'] === true ? sorted.toReversed() : sorted).map((stream) => ({
        logStreamName: stream.name,
        creationTime: stream.createdMs,
        arn: `${arnPrefix}${group.name}:log-stream:${stream.name}`,
        storedBytes: 0,
        ...(stream.events.length === 0
          ? {}
          : {
              firstEventTimestamp: byTime(stream.events).at(0)?.timestamp,
              lastEventTimestamp: byTime(stream.events).at(-1)?.timestamp,
              lastIngestionTime: stream.ingestedMs.at(-1),
            }),
      }));
      return page('logStreams', found, input);
    },

    PutLogEvents: (input) => {
      const group = groupName(input);
      const events = checkedEvents(input);
      const stream = streamOf(input);
      const nowMs = clock.nowMs();
      const { from, to, info } = acceptable(events, nowMs, groups.get(group)?.retentionDays);
      const valid = events.slice(from, to);
      if (valid.length > 0 && valid.at(-1)!.timestamp - valid[0]!.timestamp > dayMs) {
        throw invalidBatch(
          'The batch of log events in a single PutLogEvents request cannot span more than 24 hours.',
        );
      }
      if (onAccepted === undefined) {
        stream.events.push(...valid);
        for (const _ of valid) stream.ingestedMs.push(nowMs);
      } else onAccepted(valid, group, stream.name);
      const token = { nextSequenceToken: String(stream.events.length) };
      const rejectedEntityInfo = rejectedEntity(input['entity']);
      return {
        ...token,
        ...(info === undefined ? {} : { rejectedLogEventsInfo: info }),
        ...(rejectedEntityInfo === undefined ? {} : { rejectedEntityInfo }),
      };
    },

    GetLogEvents: (input) => {
      const all = byTime(stored(streamOf(input))).filter(within(input));
      const limit = Number(input['limit'] ?? 10_000);
      const token = input['nextToken'] as string | undefined;
      const head = input['startFromHead'] === true || token !== undefined;
      const start = token === undefined ? 0 : Number(token.slice(2));
      const events = head ? all.slice(start, start + limit) : all.slice(-limit);
      const end = head ? start + events.length : all.length;
      return {
        events,
        nextForwardToken: `f/${end}`,
        nextBackwardToken: `b/${Math.max(0, end - events.length - limit)}`,
      };
    },

    FilterLogEvents: (input) => {
      const group = groupOf(input);
      const names = input['logStreamNames'] as readonly string[] | undefined;
      const prefix = textOf(input, 'logStreamNamePrefix');
      const pattern = textOf(input, 'filterPattern').replaceAll('"', '');
      const found = [...group.streams.values()]
        .filter(({ name }) => (names?.includes(name) ?? true) && name.startsWith(prefix))
        .flatMap((stream) =>
          stored(stream)
            .map((event, index) => ({
              ...event,
              logStreamName: stream.name,
              eventId: `${stream.name}/${index}`,
            }))
            .filter(within(input)),
        )
        .filter(({ message }) => message.includes(pattern));
      return { ...page('events', byTime(found), input), searchedLogStreams: [] };
    },
  };

  return {
    handle: async ({ action, input }: LabRequest) => {
      const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
      if (operation === undefined) {
        throw new AwsFault(400, 'UnknownOperationException', `Unknown operation ${action}`);
      }
      return operation(input);
    },
    events: (group, stream) => groups.get(group)?.streams.get(stream)?.events ?? [],
    groups: () => [...groups.keys()],
    streams: (group) => [...(groups.get(group)?.streams.keys() ?? [])],
  };
}

/** The rules that fail the whole call. */
function checkedEvents(input: Input): readonly LabLogEvent[] {
  const events = input['logEvents'];
  if (!Array.isArray(events) || events.length < 1 || events.length > maxBatchEvents) {
    throw invalid('logEvents');
  }
  let bytes = 0;
  let lastMs = -Infinity;
  for (const [index, { timestamp, message }] of (events as LabLogEvent[]).entries()) {
    if (!Number.isInteger(timestamp) || timestamp < 0) {
      throw invalid(`logEvents.${index + 1}.member.timestamp`);
    }
    if (typeof message !== 'string' || message.length === 0) {
      throw invalid(`logEvents.${index + 1}.member.message`);
    }
    if (timestamp < lastMs) {
      throw invalidBatch(
        'Log events in a single PutLogEvents request must be in chronological order.',
      );
    }
    lastMs = timestamp;
    bytes += Buffer.byteLength(message) + eventOverheadBytes;
  }
  if (bytes > maxBatchBytes) {
    throw invalidBatch(`Upload too large: ${bytes} bytes exceeds limit of ${maxBatchBytes}`);
  }
  return events as readonly LabLogEvent[];
}

/** Since the batch is in order, what is too old is its beginning and what is too new its end. */
function acceptable(events: readonly LabLogEvent[], nowMs: number, retention: number | undefined) {
  const count = (keep: (event: LabLogEvent) => boolean): number => events.filter(keep).length;
  const tooOld = count(({ timestamp }) => timestamp < nowMs - maxAgeMs);
  const expired =
    retention === undefined ? 0 : count(({ timestamp }) => timestamp < nowMs - retention * dayMs);
  const tooNew = events.length - count(({ timestamp }) => timestamp > nowMs + maxAheadMs);
  const info = {
    ...(tooOld > 0 ? { tooOldLogEventEndIndex: tooOld } : {}),
    ...(expired > tooOld ? { expiredLogEventEndIndex: expired } : {}),
    ...(tooNew < events.length ? { tooNewLogEventStartIndex: tooNew } : {}),
  };
  return {
    from: Math.max(tooOld, expired),
    to: tooNew,
    info: Object.keys(info).length === 0 ? undefined : info,
  };
}

function groupName(input: Input): string {
  const name = input['logGroupName'] ?? input['logGroupIdentifier'];
  if (typeof name !== 'string' || !/^[.\-_/#A-Za-z0-9]{1,512}$/.test(name)) {
    throw invalid('logGroupName');
  }
  if (name.startsWith('aws/')) throw invalid('logGroupName');
  return name;
}

function streamName(input: Input): string {
  const name = input['logStreamName'];
  if (typeof name !== 'string' || !/^[^:*]{1,512}$/.test(name)) throw invalid('logStreamName');
  return name;
}

function textOf(input: Input, key: string): string {
  const value = input[key];
  return typeof value === 'string' ? value : '';
}

function within(input: Input): (event: LabLogEvent) => boolean {
  const startMs = Number(input['startTime'] ?? -Infinity);
  const endMs = Number(input['endTime'] ?? Infinity);
  return ({ timestamp }) => timestamp >= startMs && timestamp < endMs;
}

function lastEventMs({ events }: Stream): number {
  return byTime(events).at(-1)?.timestamp ?? 0;
}

function stored({ events, ingestedMs }: Stream) {
  return events.map((event, index) => ({ ...event, ingestionTime: ingestedMs[index]! }));
}

/** Stable: events of one millisecond stay in the order of arrival. */
function byTime<T extends LabLogEvent>(events: readonly T[]): readonly T[] {
  return events.toSorted((a, b) => a.timestamp - b.timestamp);
}

function page(key: string, found: readonly unknown[], input: Input): Answer {
  const most = key === 'events' ? 10_000 : 50;
  const limit = Number(input['limit'] ?? most);
  if (limit < 1 || limit > most) throw invalid('limit');
  const start = Number(input['nextToken'] ?? 0);
  const end = start + limit;
  const items = found.slice(start, end);
  return { [key]: items, ...(end < found.length ? { nextToken: String(end) } : {}) };
}

function invalid(field: string): AwsFault {
  return invalidBatch(
    `1 validation error detected: Value at '${field}' failed to satisfy constraint`,
  );
}

function invalidBatch(message: string): AwsFault {
  return new AwsFault(400, 'InvalidParameterException', message);
}

function exists(what: string): AwsFault {
  return new AwsFault(
    400,
    'ResourceAlreadyExistsException',
    `The specified ${what} already exists`,
  );
}
