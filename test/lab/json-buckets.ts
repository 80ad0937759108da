// Token buckets of Parameter Store and CloudWatch Logs: calls a second for each account and Region (logs.md section 1).
import type { Clock } from '../../src/system/clock.ts';
import { AwsFault, type LabService } from './service.ts';
import { createTokenBuckets } from './token-buckets.ts';

const perSecond = (calls: number) => ({ most: calls, perSecond: calls });

const buckets = {
  parameters: perSecond(40),
  putParameter: perSecond(3),
  parameterList: perSecond(3),
  putEvents: perSecond(5000),
  createGroup: perSecond(10),
  createStream: perSecond(50),
  describeGroups: perSecond(10),
  describeStreams: perSecond(25),
  putRetention: perSecond(5),
};

/** Those of Parameter Store are the defaults of its quota page, as far as we know them: 40 for all reads of values. */
const bucketOf: Readonly<Record<string, keyof typeof buckets>> = {
  GetParameter: 'parameters',
  GetParameters: 'parameters',
  GetParametersByPath: 'parameters',
  PutParameter: 'putParameter',
  LabelParameterVersion: 'putParameter',
  GetParameterHistory: 'parameterList',
  DescribeParameters: 'parameterList',
  PutLogEvents: 'putEvents',
  CreateLogGroup: 'createGroup',
  CreateLogStream: 'createStream',
  DescribeLogGroups: 'describeGroups',
  DescribeLogStreams: 'describeStreams',
  PutRetentionPolicy: 'putRetention',
};

/** Other calls go through. */
export function throttleJson(
  target: LabService,
  clock: Pick<Clock, 'monotonicMs'>,
  scale: () => number,
): LabService {
  const tokens = createTokenBuckets(clock, buckets);
  return {
    handle: async (request) => {
      const bucket = Object.hasOwn(bucketOf, request.action) ? bucketOf[request.action] : undefined;
      if (bucket !== undefined && !tokens.take(bucket, scale())) {
        throw new AwsFault(400, 'ThrottlingException', 'Rate exceeded');
      }
      return target.handle(request);
    },
  };
}
