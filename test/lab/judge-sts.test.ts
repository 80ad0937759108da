// The judge of STS: the Query protocol as STS has it, which differs from that of EC2.
import { describe, expect, test } from 'vitest';
import { exchange, formHeaders, requestId, verdict, why } from './judge-exchanges.ts';

const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/';
const role = '&RoleArn=arn:aws:iam::111122223333:role/a&RoleSessionName=i-1';
const credentials =
  '<Credentials><AccessKeyId>ASIA0000000000000000</AccessKeyId><SecretAccessKey>s</SecretAccessKey>' +
  '<SessionToken>t</SessionToken><Expiration>2026-11-21T00:00:00Z</Expiration></Credentials>';

const answer = (inner: string, wrapper = 'AssumeRoleResult', xmlns = namespace) =>
  `<AssumeRoleResponse xmlns="${xmlns}"><${wrapper}>${inner}</${wrapper}>` +
  `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></AssumeRoleResponse>`;
const error = (code: string, type = 'Sender') =>
  `<ErrorResponse xmlns="${namespace}"><Error><Type>${type}</Type><Code>${code}</Code>` +
  `<Message>m</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`;

function judged(body: string, status = 200, more = '') {
  const request = {
    body: `Action=AssumeRole&Version=2011-06-15${role}${more}`,
    headers: formHeaders,
  };
  return verdict(exchange(request, { body, type: 'text/xml', status }));
}

describe.skipIf(why !== '')(`the judge of STS${why}`, () => {
  test.each([
    ['an answer', judged(answer(credentials))],
    ['lists', judged(answer(credentials), 200, '&Tags.member.1.Key=a&Tags.member.1.Value=b')],
    ['an error of the model', judged(error('RegionDisabledException'), 403)],
    ['a common error', judged(error('AccessDenied'), 403)],
    ['a fault', judged(error('InternalFailure', 'Receiver'), 500)],
  ])('has nothing against %s', (_name, said) => {
    expect(said).toEqual([]);
  });

  test.each([
    ['another namespace', judged(answer(credentials, undefined, 'x')), 'the namespace is x'],
    [
      'no wrapper',
      judged(answer(credentials, 'Result')),
      'the answer is AssumeRoleResponse Result',
    ],
    ['half of the keys', judged(answer('<Credentials/>')), 'AccessKeyId: is required and missing'],
    ['a member', judged(answer('<Token>t</Token>')), 'Token: is not in the model'],
    ['the error of EC2', judged('<Response><Errors/></Response>', 403), 'the error is Response('],
    ['a status', judged(error('AccessDenied'), 400), 'AccessDenied comes with 400, not 403'],
    [
      'a code',
      judged(error('AccessDeniedException'), 403),
      'is no error of it in the model of sts',
    ],
    ['a type', judged(error('AccessDenied', 'Client'), 403), 'the type of the error is Client'],
  ])('an answer: %s', (_name, said, what) => {
    expect(said).toContainEqual(expect.stringContaining(what));
    expect(said.filter((text) => !text.startsWith('lab: sts: '))).toEqual([]);
  });

  test.each([
    ['a list as EC2 numbers it', '&Tags.1.Key=a', 'Tags: a list has member, not 1'],
    ['a name of EC2', '&durationSeconds=900', 'durationSeconds: is not in the model'],
    ['too short a session', '&DurationSeconds=60', '60: less than 900'],
  ])('a request: %s', (_name, more, what) => {
    const said = judged(error('ValidationError'), 400, more);
    expect(said).toEqual([expect.stringContaining(what)]);
  });
});
