// How an outcome goes over the wire: the Query services in XML, SSM and Logs in JSON, and the faults that break an answer.
import type { ServerResponse } from 'node:http';
import { ec2Answer, ec2Error, isQueryService, queryAnswer, queryError } from './front-query.ts';
import { AwsFault, type LabCall, type LabFaultRule } from './service.ts';

export type Answer = { readonly status: number; readonly type: string; readonly body: string };
export type Outcome = { readonly answer: Answer; readonly code: string | undefined };
export type Fault = LabFaultRule['fault'];

type Call = Pick<LabCall, 'service' | 'action'> & { readonly requestId: string };

export function accept(call: Call, output: Readonly<Record<string, unknown>>): Outcome {
  const { service, action, requestId } = call;
  if (service === 'ec2') {
    return { code: undefined, answer: ec2Xml(200, ec2Answer(action, requestId, output)) };
  }
  if (isQueryService(service)) {
    return {
      code: undefined,
      answer: plainXml(200, queryAnswer(service, action, requestId, output)),
    };
  }
  return { code: undefined, answer: jsonAnswer(200, output) };
}

const internalErrors = {
  ec2: 'InternalError',
  ssm: 'InternalServerError',
  logs: 'InternalServerError',
} as const;

/** What is no AwsFault is a mistake of the lab: it is printed, and answered as an internal error. */
export function refuse(call: Call, error: unknown): Outcome {
  if (!(error instanceof AwsFault)) console.error(`lab: ${call.service}:${call.action}`, error);
  const { service, requestId } = call;
  const internal = isQueryService(service) ? 'InternalFailure' : internalErrors[service];
  const fault = error instanceof AwsFault ? error : new AwsFault(500, internal, String(error));
  const { status, code, message } = fault;
  if (service === 'ec2') {
    return { code, answer: ec2Xml(status, ec2Error(requestId, code, message)) };
  }
  if (isQueryService(service)) {
    return { code, answer: plainXml(status, queryError(service, requestId, fault)) };
  }
  return { code, answer: jsonAnswer(status, { __type: code, message }) };
}

/** The faults in whose course the service never sees the call. undefined: it does. */
export function faultedOutcome(call: Call, fault: Fault | undefined): Outcome | undefined {
  if (fault?.kind === 'error') {
    return refuse(call, new AwsFault(fault.status, fault.code, `${fault.code} (injected)`));
  }
  if (fault?.kind === 'html') {
    const body = `<html><body><h1>${fault.status}</h1></body></html>\n`;
    return { code: fault.kind, answer: { status: fault.status, type: 'text/html', body } };
  }
  if (fault?.kind === 'reset-before') {
    return { code: fault.kind, answer: { status: 0, type: '', body: '' } };
  }
  return undefined;
}

export function isCut(fault: Fault | undefined): fault is Fault {
  return fault !== undefined && ['reset-before', 'reset-after', 'truncated'].includes(fault.kind);
}

/** An answer as it went over the wire. */
export type Sent = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/** Sends the answer, or breaks it as `fault` wants. undefined: it did not go out whole. */
export function send(
  response: ServerResponse,
  answer: Answer,
  fault: Fault | undefined,
  extra: Readonly<Record<string, string>>,
): Sent | undefined {
  if (fault?.kind === 'reset-before' || fault?.kind === 'reset-after') {
    response.socket?.resetAndDestroy();
    return undefined;
  }
  const body = Buffer.from(answer.body);
  const headers = { ...extra, 'content-type': answer.type, 'content-length': String(body.length) };
  response.writeHead(answer.status, headers);
  if (fault?.kind === 'truncated') {
    const half = body.subarray(0, Math.ceil(body.length / 2));
    response.write(half, () => response.destroy());
    return undefined;
  }
  response.end(body);
  return { status: answer.status, headers, body };
}

function ec2Xml(status: number, body: string): Answer {
  return { status, type: 'text/xml;charset=UTF-8', body };
}

function plainXml(status: number, body: string): Answer {
  return { status, type: 'text/xml', body };
}

function jsonAnswer(status: number, body: Readonly<Record<string, unknown>>): Answer {
  return { status, type: 'application/x-amz-json-1.1', body: JSON.stringify(body) };
}
