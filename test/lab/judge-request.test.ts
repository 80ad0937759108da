// The judge of requests: what breaks the models is found, with its path, and nothing else.
import { describe, expect, test } from 'vitest';
import type { ApiModels } from './api-models.ts';
import {
  exchange,
  formHeaders,
  json,
  jsonType,
  models,
  query,
  verdict,
  why,
  xmlError,
} from './judge-exchanges.ts';

const putEvents = 'Logs_20140328.PutLogEvents';
const events = (count: number) =>
  Array.from({ length: count }, (_, timestamp) => ({ timestamp, message: 'm' }));
const batch = { logGroupName: 'g', logStreamName: 's', logEvents: events(1) };

describe.skipIf(why !== '')(`the judge of requests${why}`, () => {
  test('knows the version of the models', () => {
    expect((models as ApiModels).version).toMatch(/^botocore \d+\.\d+\.\d+$/);
  });

  test.each([
    ['DescribeNetworkInterfaces&MaxResults=5&NetworkInterfaceId.1=eni-1'],
    ['DescribeNetworkInterfaces&Filter.1.Name=tag%3Aa&Filter.1.Value.1=b&Filter.1.Value.2=c+d'],
    ['AttachNetworkInterface&DeviceIndex=1&InstanceId=i-1&NetworkInterfaceId=eni-1&DryRun=true'],
    ['ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-1&SourceDestCheck.Value=false'],
  ])('has nothing against %s', (body) => {
    expect(query(body)).toEqual([]);
  });

  test.each([
    ['DescribeNetworkInterfaces&MaxResults=4', 'MaxResults: 4: less than 5'],
    ['DescribeNetworkInterfaces&MaxResults=1001', 'MaxResults: 1001: more than 1000'],
    ['DescribeNetworkInterfaces&MaxResults=many', 'MaxResults: many is no integer'],
    ['DescribeNetworkInterfaces&MaxResults=5.5', 'MaxResults: 5.5 is no integer'],
    ['DescribeNetworkInterfaces&DryRun=yes', 'DryRun: yes is no boolean'],
    ['DescribeNetworkInterfaces&Nonsense=1', 'Nonsense: is not in the model'],
    [
      'DescribeNetworkInterfaces&NetworkInterfaceIds.1=e',
      'NetworkInterfaceIds: is not in the model',
    ],
    ['DescribeNetworkInterfaces&NetworkInterfaceId=e', 'NetworkInterfaceId: a list is numbered'],
    ['DescribeNetworkInterfaces&NetworkInterfaceId.2=e', 'NetworkInterfaceId: a list is numbered'],
    ['DescribeNetworkInterfaces&Filter.1.Values.1=e', 'Filter.1.Values: is not in the model'],
    ['DescribeNetworkInterfaces&NextToken.1=e', 'NextToken: is no string'],
    ['DescribeNetworkInterfaces&DryRun=true&DryRun=false', 'DryRun: comes twice'],
    ['DescribeInstanceTypes&InstanceType.1=x9.huge', 'InstanceType.1: x9.huge is none of'],
    ['AttachNetworkInterface&InstanceId=i-1&NetworkInterfaceId=e', 'DeviceIndex: is required'],
    ['CreateTags&ResourceId.1=eni-1', 'CreateTags.Tags: is required and missing'],
    [
      `DescribeInstanceTypes${Array.from({ length: 101 }, (_, index) => `&InstanceType.${index + 1}=t3.micro`).join('')}`,
      'InstanceType: 101 entries: more than 100',
    ],
    ['DescribeNothing', 'DescribeNothing: is no operation of the model'],
  ])('EC2: %s', (body, what) => {
    expect(query(body)).toEqual([expect.stringContaining(what)]);
    expect(query(body)[0]).toMatch(/^client: ec2: /);
  });

  test('the envelope of a request', () => {
    const call = 'DescribeSubnets';
    expect(query(call, { 'content-type': jsonType })).toEqual([
      expect.stringMatching(/^client: .*the content type is application\/x-amz-json-1.1$/),
    ]);
    expect(
      query(call, { 'content-type': `${formHeaders['content-type']}; charset=utf-8` }),
    ).toEqual([]);
    const old = { body: `Action=${call}&Version=2014-10-01`, headers: formHeaders };
    const refusal = { body: xmlError, type: 'text/xml;charset=UTF-8', status: 400 };
    expect(verdict(exchange(old, refusal))).toEqual([
      'client: ec2: DescribeSubnets.Version: is 2014-10-01, not 2016-11-15',
    ]);
    const good = exchange({ ...old, body: `Action=${call}&Version=2016-11-15` }, refusal);
    expect(verdict({ ...good, request: { ...good.request, method: 'GET' } })).toEqual([
      'client: ec2: DescribeSubnets: GET / is not POST /',
    ]);
    expect(verdict(exchange({ body: 'hello', headers: {} }, refusal))).toEqual([
      'client: no AWS service: request: is no call of a service that the lab plays',
    ]);
    const target = { 'content-type': jsonType, 'x-amz-target': 'AmazonSSM.GetParameter' };
    const notThere = { body: '{"__type":"ParameterNotFound"}', type: jsonType, status: 400 };
    expect(verdict(exchange({ body: 'Name=a', headers: target }, notThere))).toEqual([
      'client: ssm: GetParameter: the body is no JSON: Name=a',
    ]);
    expect(json('AmazonSSM.GetParameter', { Name: 'a' }, undefined, 'application/json')).toEqual([
      'client: ssm: GetParameter: the content type is application/json, not application/x-amz-json-1.1',
    ]);
  });

  test.each([
    ['an empty list', { ...batch, logEvents: [] }, 'logEvents: 0 entries: less than 1'],
    ['10,001 events', { ...batch, logEvents: events(10_001) }, '10001 entries: more than 10000'],
    ['a name', { ...batch, logGroupName: 'a b' }, 'logGroupName: a b is not of the pattern'],
    [
      'only a part',
      { ...batch, logGroupName: 'a b c' },
      'logGroupName: a b c is not of the pattern',
    ],
    [
      'a stream a:b',
      { ...batch, logStreamName: 'a:b' },
      'logStreamName: a:b is not of the pattern',
    ],
    ['no stream', { ...batch, logStreamName: undefined }, 'logStreamName: is required and missing'],
    ['a text', { ...batch, logEvents: 'none' }, 'logEvents: "none" is no list'],
    [
      'an empty message',
      { ...batch, logEvents: [{ timestamp: 1, message: '' }] },
      'message: 0 characters: less than 1',
    ],
    [
      'a fraction of a millisecond',
      { ...batch, logEvents: [{ timestamp: 1.5, message: 'm' }] },
      'timestamp: 1.5 is no long',
    ],
    [
      'a date',
      { ...batch, logEvents: [{ timestamp: '2026-11-21', message: 'm' }] },
      'timestamp: "2026-11-21" is no long',
    ],
    ['an unknown member', { ...batch, logEvent: 1 }, 'PutLogEvents.logEvent: is not in the model'],
    ['null', { ...batch, sequenceToken: null }, 'sequenceToken: null is no string'],
  ])('Logs: %s', (_name, input, what) => {
    expect(json(putEvents, batch)).toEqual([]);
    expect(json(putEvents, input)).toEqual([expect.stringContaining(what)]);
  });

  test('what the model refuses must not be accepted', () => {
    expect(json(putEvents, { ...batch, logEvents: [] }, { body: {} })).toEqual([
      expect.stringMatching(/^client: /),
      'lab: logs: PutLogEvents: the lab accepts what the model refuses: PutLogEvents.logEvents: 0 entries: less than 1',
    ]);
  });

  test('of an answer that was cut, the request alone', () => {
    const heard = exchange(
      { body: 'Action=DescribeNothing', headers: formHeaders },
      { body: '', type: '' },
    );
    expect(verdict({ ...heard, answer: undefined })).toEqual([
      'client: ec2: DescribeNothing: is no operation of the model',
    ]);
  });
});
