// Judges one exchange with the lab, as it went over the wire, by the official API models: the client's request, and
// the lab's answer. Semantics that no model holds (error codes of EC2, rules across fields) are not its matter.
import { gunzipSync } from 'node:zlib';
import type { ApiModels, ApiOperation } from './api-models.ts';
import { queryVersions, type FrontExchange } from './front.ts';
import { judgeAnswer, jsonType } from './judge-answer.ts';
import { checkParameters, readParameters } from './judge-query.ts';
import { checkJson, short, type Complain } from './judge-value.ts';
import type { LabCall } from './service.ts';

type ServiceName = LabCall['service'];

export type Violation = {
  readonly by: 'client' | 'lab';
  /** `ec2`; undefined: the request is of no service that the lab plays. */
  readonly service: ServiceName | undefined;
  /** `DescribeNetworkInterfaces.MaxResults` */
  readonly path: string;
  readonly what: string;
};

export function violationText({ by, service, path, what }: Violation): string {
  return `${by}: ${service ?? 'no AWS service'}: ${path}: ${what}`;
}

type Asked = {
  readonly service: ServiceName;
  readonly action: string;
  readonly operation: ApiOperation | undefined;
};

const targets = new Map<string, ServiceName>([
  ['AmazonSSM', 'ssm'],
  ['Logs_20140328', 'logs'],
]);
const formType = /^application\/x-www-form-urlencoded(; ?charset=utf-8)?$/i;

/** Throws nothing: a judge who stumbles is a violation too. */
export function judge(models: ApiModels, exchange: FrontExchange): readonly Violation[] {
  const found: Violation[] = [];
  let asked: Asked | undefined;
  const complainBy =
    (by: Violation['by']): Complain =>
    (path, what) =>
      void found.push({ by, service: asked?.service, path, what });
  try {
    asked = readAsked(models, exchange);
    if (asked === undefined)
      complainBy('client')('request', 'is no call of a service that the lab plays');
    else {
      judgeRequest(asked, exchange, complainBy('client'));
      if (exchange.answer === undefined) return found;
      const { body, ...rest } = exchange.answer;
      const text = body.toString();
      const complain = complainBy('lab');
      const [bad] = found;
      const requestFault = bad && `${bad.path}: ${bad.what}`;
      judgeAnswer({ ...asked, ...rest, text, complain, requestFault });
    }
  } catch (error) {
    complainBy('lab')(asked?.action ?? 'request', `the judge stumbled: ${String(error)}`);
  }
  return found;
}

function readAsked(models: ApiModels, { request }: FrontExchange): Asked | undefined {
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string') {
    const [prefix = '', action = ''] = target.split('.');
    const service = targets.get(prefix);
    return service === undefined
      ? undefined
      : { service, action, operation: models.operation(service, action) };
  }
  const form = new URLSearchParams(request.body.toString());
  const action = form.get('Action');
  if (action === null) return undefined;
  const service = queryVersions.get(form.get('Version') ?? '') ?? 'ec2';
  return { service, action, operation: models.operation(service, action) };
}

function judgeRequest(
  { service, action, operation }: Asked,
  { request: { method, path, headers, body } }: FrontExchange,
  complain: Complain,
): void {
  if (method !== 'POST' || path !== '/') complain(action, `${method} ${path} is not POST /`);
  if (operation === undefined) {
    complain(action, 'is no operation of the model');
    return;
  }
  const { input, apiVersion } = operation;
  const type = headers['content-type'] ?? '';
  const reader = { operation, complain };
  if (service !== 'ssm' && service !== 'logs') {
    if (!formType.test(type)) complain(action, `the content type is ${short(type)}`);
    const {
      Action: _,
      Version,
      ...rest
    } = Object.fromEntries(readParameters({ complain }, body.toString()));
    if (Version !== apiVersion) complain(`${action}.Version`, `is ${Version}, not ${apiVersion}`);
    const parameters = new Map(Object.entries(rest));
    if (input !== undefined) checkParameters(reader, action, input, parameters);
    return;
  }
  if (type !== jsonType) complain(action, `the content type is ${short(type)}, not ${jsonType}`);
  const text = (headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString();
  const value = parseJson(text);
  if (value === undefined) complain(action, `the body is no JSON: ${short(text)}`);
  else if (input !== undefined) checkJson(reader, action, input, value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
