// Holds the form of an error answer against what the services send: Query in XML, SSM and Logs in JSON.
import type { JudgedAnswer } from './judge-answer.ts';
import type { LabCall } from './service.ts';
import { isObject, short, type Complain } from './judge-value.ts';
import type { Element } from './judge-xml.ts';

/** Any JSON service gives these, and no model lists them ("Common Errors" of the API references). */
const commonErrors: Readonly<Record<string, number>> = {
  AccessDeniedException: 400,
  ExpiredTokenException: 400,
  IncompleteSignature: 400,
  IncompleteSignatureException: 400,
  InternalFailure: 500,
  InternalServerError: 500,
  InvalidSignatureException: 400,
  MissingAuthenticationTokenException: 400,
  NotAuthorized: 400,
  OptInRequired: 403,
  RequestExpired: 400,
  SerializationException: 400,
  ServiceUnavailable: 503,
  ServiceUnavailableException: 503,
  ThrottlingException: 400,
  UnknownOperationException: 400,
  UnrecognizedClientException: 400,
  ValidationException: 400,
};

/** `<Response><Errors><Error><Code/><Message/></Error></Errors><RequestID/></Response>` */
export function checkEc2Error(action: string, content: Element, complain: Complain): void {
  const right = 'Response(Errors(Error(Code() Message())) RequestID())';
  if (outline(content) !== right) {
    complain(action, `the error is ${short(outline(content))}, not ${right}`);
    return;
  }
  const code = content.children[0]!.children[0]!.children[0]!.text;
  if (!/^[A-Z][A-Za-z0-9]*(\.[A-Z][A-Za-z0-9]*)*$/.test(code)) {
    complain(action, `${short(code)} is no error code`);
  }
}

function outline({ name, children }: Element): string {
  return `${name}(${children.map(outline).join(' ')})`;
}

/** `xmlNamespace` of the models. */
export const namespaceOf: Readonly<Partial<Record<LabCall['service'], string>>> = {
  sts: 'https://sts.amazonaws.com/doc/2011-06-15/',
  cloudformation: 'http://cloudformation.amazonaws.com/doc/2010-05-15/',
  autoscaling: 'http://autoscaling.amazonaws.com/doc/2011-01-01/',
};

/** What Query services give beside the errors of their models, with what clients of STS quote ("Common Errors" of the API references). */
const queryErrors: Readonly<Record<string, number>> = {
  AccessDenied: 403,
  ExpiredToken: 403,
  InternalFailure: 500,
  InvalidAction: 400,
  InvalidClientTokenId: 403,
  MissingAuthenticationToken: 403,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  Throttling: 400,
  ValidationError: 400,
};

export function checkQueryError(
  { service, action, operation, status, complain }: JudgedAnswer,
  content: Element,
): void {
  const right = 'ErrorResponse(Error(Type() Code() Message()) RequestId())';
  if (outline(content) !== right) {
    complain(action, `the error is ${short(outline(content))}, not ${right}`);
    return;
  }
  if (content.attributes['xmlns'] !== namespaceOf[service]) {
    complain(action, `the namespace of the error is ${content.attributes['xmlns']}`);
  }
  const [type, code] = content.children[0]!.children.map(({ text }) => text);
  if (type !== (status < 500 ? 'Sender' : 'Receiver')) {
    complain(action, `the type of the error is ${type}`);
  }
  const modelled = (operation?.errors ?? []).map((name) => operation?.shapes[name]?.error);
  const known = modelled.find((error) => error?.code === code)?.httpStatusCode;
  const wanted = known ?? queryErrors[code ?? ''];
  if (wanted === undefined)
    complain(action, `${code} is no error of it in the model of ${service}`);
  else if (wanted !== status) complain(action, `${code} comes with ${status}, not ${wanted}`);
}

export function checkJsonError(
  { service, action, operation, status, complain }: JudgedAnswer,
  content: unknown,
): void {
  if (!isObject(content) || typeof content['__type'] !== 'string') {
    complain(action, 'the error has no __type');
    return;
  }
  const { __type: code, ...rest } = content as { __type: string };
  const shape = operation?.errors.includes(code) === true ? operation.shapes[code] : undefined;
  const fromModel = shape === undefined ? undefined : (shape.error?.httpStatusCode ?? 400);
  const right = shape?.fault === true ? status : (fromModel ?? commonErrors[code]);
  if (shape?.fault === true && status < 500) complain(action, `${code} comes with ${status}`);
  if (right === undefined) complain(action, `${code} is no error of it in the model of ${service}`);
  else if (right !== status) complain(action, `${code} comes with ${status}, not ${right}`);
  const members = ['message', 'Message', ...Object.keys(shape?.members ?? {})];
  for (const [name, value] of Object.entries(rest)) {
    if (!members.includes(name)) complain(`${action}.${name}`, `is no member of ${code}`);
    else if (typeof value !== 'string') complain(`${action}.${name}`, 'is no string');
  }
}
