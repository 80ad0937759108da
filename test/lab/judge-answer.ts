// Holds an answer of the lab against the model: content type, request id, output, and the form of an error.
import type { ApiOperation } from './api-models.ts';
import { checkEc2Error, checkJsonError, checkQueryError, namespaceOf } from './judge-errors.ts';
import { checkJson, short, type Complain } from './judge-value.ts';
import { checkElement, readXml, type Element } from './judge-xml.ts';
import type { LabCall } from './service.ts';

export type JudgedAnswer = {
  readonly service: LabCall['service'];
  readonly action: string;
  /** undefined: the model has none of this name. */
  readonly operation: ApiOperation | undefined;
  /** What is wrong with the request; undefined: nothing. */
  readonly requestFault: string | undefined;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly complain: Complain;
};

export const jsonType = 'application/x-amz-json-1.1';
const typeOf = {
  ec2: 'text/xml;charset=UTF-8',
  sts: 'text/xml',
  cloudformation: 'text/xml',
  autoscaling: 'text/xml',
  ssm: jsonType,
  logs: jsonType,
};

export function judgeAnswer(answer: JudgedAnswer): void {
  const { service, action, operation, status, headers, complain } = answer;
  const type = headers['content-type'];
  const rightType = typeOf[service];
  if (type !== rightType) {
    complain(action, `the content type of the answer is ${type}, not ${rightType}`);
  }
  if (!/^[\da-f-]{36}$/.test(headers['x-amzn-requestid'] ?? '')) {
    complain(action, 'the answer has no x-amzn-requestid');
  }
  if (status !== 200) {
    if (status < 400 || status > 599) complain(action, `${status} is no status of an error`);
    if (service === 'ec2') withXml(answer, (content) => checkEc2Error(action, content, complain));
    else if (service === 'ssm' || service === 'logs') {
      withJson(answer, (content) => checkJsonError(answer, content));
    } else withXml(answer, (content) => checkQueryError(answer, content));
  } else if (operation === undefined || answer.requestFault !== undefined) {
    complain(action, `the lab accepts what the model refuses: ${answer.requestFault}`);
  } else if (service === 'ec2') {
    withXml(answer, (content) => checkEc2Output(answer, operation, content));
  } else if (service !== 'ssm' && service !== 'logs') {
    withXml(answer, (content) => checkQueryOutput(answer, operation, content));
  } else if (operation.output !== undefined) {
    const { output } = operation;
    withJson(answer, (content) => checkJson({ operation, complain }, action, output, content));
  } else if (answer.text !== '' && answer.text !== '{}') {
    complain(action, `answers nothing, not ${short(answer.text)}`);
  }
}

/**
 * `<ActionResponse><ActionResult>...</ActionResult><ResponseMetadata><RequestId/></ResponseMetadata></ActionResponse>`,
 * without the result where the model has no output.
 */
function checkQueryOutput(
  { service, action, complain }: JudgedAnswer,
  operation: ApiOperation,
  root: Element,
): void {
  const [result] = root.children;
  const metadata = root.children.at(-1);
  const names = [root, ...root.children, ...(metadata?.children ?? [])].map((one) => one.name);
  const { resultWrapper } = operation;
  const right = [`${action}Response`, resultWrapper ?? [], 'ResponseMetadata', 'RequestId']
    .flat()
    .join(' ');
  if (names.join(' ') !== right) complain(action, `the answer is ${short(names.join(' '))}`);
  const namespace = namespaceOf[service];
  if (root.attributes['xmlns'] !== namespace) {
    complain(action, `the namespace is ${root.attributes['xmlns']}, not ${namespace}`);
  }
  if (result !== undefined && operation.output !== undefined) {
    checkElement({ operation, complain }, action, operation.output, result);
  }
}

function checkEc2Output(
  { action, complain, text }: JudgedAnswer,
  operation: ApiOperation,
  root: Element,
): void {
  const name = `${action}Response`;
  if (root.name !== name) complain(action, `the answer is <${root.name}>, not <${name}>`);
  const namespace = `http://ec2.amazonaws.com/doc/${operation.apiVersion}/`;
  if (root.attributes['xmlns'] !== namespace) {
    complain(action, `the namespace is ${root.attributes['xmlns']}, not ${namespace}`);
  }
  const ids = root.children.filter((child) => child.name === 'requestId');
  if (ids.length !== 1) complain(action, `the answer has ${ids.length} elements <requestId>`);
  const children = root.children.filter((child) => child.name !== 'requestId');
  if (operation.output !== undefined) {
    checkElement({ operation, complain }, action, operation.output, { ...root, children });
  } else if (children.map((child) => `${child.name}=${child.text}`).join() !== 'return=true') {
    complain(action, `answers <return>true</return>, not ${short(text)}`);
  }
}

function withXml({ action, text, complain }: JudgedAnswer, check: (root: Element) => void): void {
  let root: Element;
  try {
    root = readXml(text);
  } catch (error) {
    complain(action, `the answer is no XML: ${String(error)}: ${short(text)}`);
    return;
  }
  check(root);
}

function withJson({ action, text, complain }: JudgedAnswer, check: (value: unknown) => void): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    complain(action, `the answer is no JSON: ${short(text)}`);
    return;
  }
  check(value);
}
