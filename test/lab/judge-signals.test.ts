// The judge of CloudFormation and Auto Scaling: their dialect of the Query protocol, with and without a result.
import { describe, expect, test } from 'vitest';
import { exchange, formHeaders, requestId, verdict, why } from './judge-exchanges.ts';

const namespaces = {
  cloudformation: 'http://cloudformation.amazonaws.com/doc/2010-05-15/',
  autoscaling: 'http://autoscaling.amazonaws.com/doc/2011-01-01/',
};
const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
const signalled = (result: string, xmlns = namespaces.cloudformation) =>
  `<SignalResourceResponse xmlns="${xmlns}">${result}${metadata}</SignalResourceResponse>`;
const completed = (result: string) =>
  `<CompleteLifecycleActionResponse xmlns="${namespaces.autoscaling}">${result}${metadata}</CompleteLifecycleActionResponse>`;
const refused = (service: keyof typeof namespaces, code: string) =>
  `<ErrorResponse xmlns="${namespaces[service]}"><Error><Type>Sender</Type><Code>${code}</Code>` +
  `<Message>m</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`;

const signal =
  'Action=SignalResource&Version=2010-05-15&StackName=web&LogicalResourceId=Fleet&UniqueId=i-1&Status=';
const complete =
  'Action=CompleteLifecycleAction&Version=2011-01-01&AutoScalingGroupName=g&LifecycleHookName=up&LifecycleActionResult=CONTINUE&InstanceId=';
const judged = (request: string, body: string, status = 200) =>
  verdict(exchange({ body: request, headers: formHeaders }, { body, type: 'text/xml', status }));

describe.skipIf(why !== '')(`the judge of signals${why}`, () => {
  test.each([
    ['no result where the model has none', judged(`${signal}SUCCESS`, signalled(''))],
    [
      'an empty result where it has one',
      judged(`${complete}i-1`, completed('<CompleteLifecycleActionResult/>')),
    ],
    ['a refusal', judged(`${signal}SUCCESS`, refused('cloudformation', 'ValidationError'), 400)],
  ])('has nothing against %s', (_name, said) => {
    expect(said).toEqual([]);
  });

  test.each([
    [
      'a result that nobody asked for',
      judged(`${signal}SUCCESS`, signalled('<SignalResourceResult/>')),
    ],
    ['no result', judged(`${complete}i-1`, completed(''))],
    ['another namespace', judged(`${signal}SUCCESS`, signalled('', namespaces.autoscaling))],
    ['a foreign code', judged(`${complete}i-1`, refused('autoscaling', 'ResourceInUse'), 400)],
  ])('an answer: %s', (_name, said) => {
    expect(said[0]).toMatch(/^lab: (cloudformation|autoscaling): /);
    expect(said.filter((text) => !text.startsWith('lab: '))).toEqual([]);
  });

  test.each([
    [`${signal}READY`, 'Status: READY is none of SUCCESS, FAILURE'],
    [`${complete}i-00000000000000000000`, 'more than 19'],
    [`${signal}SUCCESS&Reason=late`, 'Reason: is not in the model'],
  ])('a request: %s', (request, what) => {
    const service = request.startsWith('Action=Signal') ? 'cloudformation' : 'autoscaling';
    const said = judged(request, refused(service, 'ValidationError'), 400);
    expect(said).toEqual([expect.stringContaining(what)]);
  });
});
