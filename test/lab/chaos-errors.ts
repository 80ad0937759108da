// Errors as each service of AWS words them.
import { randomUUID } from 'node:crypto';
import type { ChaosOperation } from './chaos-operation.ts';
import { ec2Error, queryError } from './front-query.ts';

export type WireAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};
type ErrorKind = 'throttle' | '500' | '503';

/** Query: the API's error codes; SSM and Logs: those of their models; IMDS: a bare status. */
const queryErrors = {
  throttle: [400, 'Throttling'],
  '500': [500, 'InternalFailure'],
  '503': [503, 'ServiceUnavailable'],
} as const;

const errors: Readonly<
  Record<ChaosOperation['service'], Readonly<Record<ErrorKind, readonly [number, string]>>>
> = {
  ec2: {
    throttle: [503, 'RequestLimitExceeded'],
    '500': [500, 'InternalError'],
    '503': [503, 'Unavailable'],
  },
  ssm: {
    throttle: [400, 'ThrottlingException'],
    '500': [500, 'InternalServerError'],
    '503': [503, 'ServiceUnavailable'],
  },
  logs: {
    throttle: [400, 'ThrottlingException'],
    '500': [500, 'InternalFailure'],
    '503': [503, 'ServiceUnavailableException'],
  },
  sts: queryErrors,
  cloudformation: queryErrors,
  autoscaling: queryErrors,
  imds: { throttle: [503, ''], '500': [500, ''], '503': [503, ''] },
};

const messages: Readonly<Record<ErrorKind, string>> = {
  throttle: 'Request limit exceeded.',
  '500': 'An internal error has occurred',
  '503': 'The service is unavailable. Please try again shortly.',
};

export function errorAnswer({ service }: ChaosOperation, kind: ErrorKind): WireAnswer {
  const [status, code] = errors[service][kind];
  const requestId = randomUUID();
  const message = messages[kind];
  const json = ['application/x-amz-json-1.1', JSON.stringify({ __type: code, message })] as const;
  const [type, text] = (
    {
      ec2: ['text/xml;charset=UTF-8', ec2Error(requestId, code, message)],
      sts: ['text/xml', queryError('sts', requestId, { status, code, message })],
      cloudformation: [
        'text/xml',
        queryError('cloudformation', requestId, { status, code, message }),
      ],
      autoscaling: ['text/xml', queryError('autoscaling', requestId, { status, code, message })],
      ssm: json,
      logs: json,
      imds: ['text/plain', ''],
    } as const
  )[service];
  return {
    status,
    headers: { 'content-type': type, 'x-amzn-requestid': requestId },
    body: Buffer.from(text),
  };
}
