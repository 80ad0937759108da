// For the tests of the judge: exchanges that were never on a wire, and what the judge says of them.
import { findApiModels, type ApiModels } from './api-models.ts';
import type { FrontExchange } from './front.ts';
import { judge, violationText } from './judge.ts';

export const models = findApiModels();
/** Part of the name of tests that are skipped without models. */
export const why = typeof models === 'string' ? ` (skipped: ${models})` : '';

type Change = { readonly headers?: Readonly<Record<string, string>>; readonly status?: number };

export const requestId = '01234567-89ab-cdef-0123-456789abcdef';
export const jsonType = 'application/x-amz-json-1.1';

export function exchange(
  request: { readonly body: string; readonly headers: Readonly<Record<string, string>> },
  answer: { readonly body: string; readonly type: string } & Change,
): FrontExchange {
  return {
    request: {
      method: 'POST',
      path: '/',
      headers: request.headers,
      body: Buffer.from(request.body),
    },
    answer: {
      status: answer.status ?? 200,
      headers: { 'content-type': answer.type, 'x-amzn-requestid': requestId, ...answer.headers },
      body: Buffer.from(answer.body),
    },
  };
}

export function verdict(heard: FrontExchange): readonly string[] {
  return judge(models as ApiModels, heard).map(violationText);
}

export const xmlError = `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>InvalidParameterValue</Code><Message>m</Message></Error></Errors><RequestID>${requestId}</RequestID></Response>`;
export const formHeaders = { 'content-type': 'application/x-www-form-urlencoded' };

/** A call of EC2, refused as it should be. */
export function query(body: string, headers: Readonly<Record<string, string>> = formHeaders) {
  return verdict(
    exchange(
      { body: `Version=2016-11-15&Action=${body}`, headers },
      { body: xmlError, type: 'text/xml;charset=UTF-8', status: 400 },
    ),
  );
}

/** The answer to a good call of EC2. */
export function answered(
  action: string,
  inner: string,
  change: Change & { readonly type?: string } = {},
) {
  const good: Readonly<Record<string, string>> = {
    AttachNetworkInterface: '&DeviceIndex=1&InstanceId=i-1&NetworkInterfaceId=eni-1',
    DetachNetworkInterface: '&AttachmentId=eni-attach-1',
  };
  const body = inner.startsWith('<?xml')
    ? inner
    : `<?xml version="1.0" encoding="UTF-8"?>\n<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>${requestId}</requestId>${inner}</${action}Response>`;
  const request = {
    body: `Action=${action}&Version=2016-11-15${good[action] ?? ''}`,
    headers: formHeaders,
  };
  return verdict(exchange(request, { type: 'text/xml;charset=UTF-8', ...change, body }));
}

/** A call of SSM or Logs; refused as it should be, unless there is an answer. */
export function json(
  target: string,
  input: unknown,
  answer: { readonly body: unknown } & Change = {
    status: 400,
    body: { __type: 'ValidationException', message: 'm' },
  },
  type = jsonType,
) {
  const headers = { 'content-type': type, 'x-amz-target': target };
  const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
  return verdict(
    exchange({ body: JSON.stringify(input), headers }, { type: jsonType, ...answer, body }),
  );
}
