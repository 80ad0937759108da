// Errors as each service of AWS words them.
import { randomUUID } from 'node:crypto';
import type { ChaosOperation } from './chaos-operation.ts';
import { queryError } from './front-query.ts';

export type WireAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};
type ErrorKind = 'throttle' | '500' | '503';

/** EC2: the API's error codes; SSM and Logs: those of their models; IMDS: a bare status. */
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
  imds: { throttle: [503, ''], '500': [500, ''], '503': [503, ''] },
};

const messages: Readonly<Record<ErrorKind, string>> = {
  throttle: 'Request limit exceeded.',
  '500': 'An internal error has occurred',
  '503': 'The service is unavailable. Please try again shortly.',
};

export function errorAnswer({ protocol, service }: ChaosOperation, kind: ErrorKind): WireAnswer {
  const [status, code] = errors[service][kind];
  const requestId = randomUUID();
  const [type, text] = {
    query: ['text/xml;charset=UTF-8', queryError(requestId, code, messages[kind])],
    json: ['application/x-amz-json-1.1', JSON.stringify({ __type: code, message: messages[kind] })],
    imds: ['text/plain', ''],
  }[protocol] as [string, string];
  return {
    status,
    headers: { 'content-type': type, 'x-amzn-requestid': requestId },
    body: Buffer.from(text),
  };
}
