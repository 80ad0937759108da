// The judge of answers: output, errors and their envelope, in both protocols.
import { describe, expect, test } from 'vitest';
import { answered, json, why, xmlError } from './judge-exchanges.ts';

const attach = 'AttachNetworkInterface';
const found = (members: object) => ({
  body: { Parameter: { Name: '/a', Type: 'String', Value: 'v', Version: 1, ...members } },
});
const enis = (inner: string) => `<networkInterfaceSet><item>${inner}</item></networkInterfaceSet>`;
const wrap = (xmlns: string, inner: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<DescribeSubnetsResponse xmlns="${xmlns}">${inner}</DescribeSubnetsResponse>`;
const create = (body: unknown) =>
  json('Logs_20140328.CreateLogGroup', { logGroupName: 'g' }, { body });

describe.skipIf(why !== '')(`the judge of answers${why}`, () => {
  test.each([
    ['a parameter', found({ LastModifiedDate: 1.7e9 + 0.5 })],
    ['an error', { status: 400, body: { __type: 'ParameterNotFound', message: 'm' } }],
    ['a common error', { status: 400, body: { __type: 'ThrottlingException', message: 'm' } }],
    ['a fault', { status: 500, body: { __type: 'InternalServerError', message: 'm' } }],
  ])('has nothing against %s', (_name, answer) => {
    expect(json('AmazonSSM.GetParameter', { Name: '/a' }, answer)).toEqual([]);
  });

  test.each([
    ['an enum', found({ Type: 'Text' }), 'Type: Text is none of String, StringList, SecureString'],
    ['a date', found({ LastModifiedDate: '2026-11-21' }), 'LastModifiedDate: "2026-11-21" is no'],
    ['a type', found({ Version: '1' }), 'Parameter.Version: "1" is no long'],
    ['a member', found({ Tier: 'Standard' }), 'Parameter.Tier: is not in the model'],
    ['a list', { body: { Parameter: [] } }, 'Parameter: [] is no structure'],
    ['HTML', { body: '<html></html>', headers: { 'content-type': 'text/html' } }, 'is no JSON'],
    ['a content type', { ...found({}), headers: { 'content-type': 'text/html' } }, 'content type'],
    ['no id', { ...found({}), headers: { 'x-amzn-requestid': '' } }, 'no x-amzn-requestid'],
    ['204', { ...found({}), status: 204 }, '204 is no status of an error'],
    ['its status', { status: 404, body: { __type: 'ParameterNotFound' } }, 'with 404, not 400'],
    ['its code', { status: 400, body: { __type: 'NotThere' } }, 'NotThere is no error of it'],
    ['its member', { status: 400, body: { __type: 'ParameterNotFound', why: '' } }, 'why: is no'],
    [
      'its message',
      { status: 400, body: { __type: 'ParameterNotFound', message: 1 } },
      'no string',
    ],
    ['a fault', { status: 400, body: { __type: 'InternalServerError' } }, 'comes with 400'],
    ['its form', { status: 400, body: { code: 'ParameterNotFound' } }, 'the error has no __type'],
  ])('an answer in JSON: %s', (_name, answer, what) => {
    const said = json('AmazonSSM.GetParameter', { Name: '/a' }, answer);
    expect(said).toContainEqual(expect.stringContaining(what));
    expect(said.filter((text) => !text.startsWith('lab: ssm: '))).toEqual([]);
  });

  test.each([
    [attach, '<attachmentId>eni-attach-1</attachmentId><networkCardIndex>0</networkCardIndex>'],
    ['DetachNetworkInterface', '<return>true</return>'],
    ['DescribeNetworkInterfaces', '<networkInterfaceSet/>'],
    [
      'DescribeNetworkInterfaces',
      '<networkInterfaceSet><item><status>in-use</status><attachment><attachTime>2026-11-21T00:00:00.000Z</attachTime></attachment><description>a &lt; &#13;</description></item></networkInterfaceSet>',
    ],
  ])('has nothing against %s %s', (action, inner) => {
    expect(answered(action, inner)).toEqual([]);
  });

  test.each([
    ['DescribeNetworkInterfaces', enis('<status>used</status>'), 'status: used is none of'],
    ['DescribeNetworkInterfaces', enis('<colour>red</colour>'), '[0].colour: is not in the model'],
    ['DescribeNetworkInterfaces', enis('<Status>in-use</Status>'), 'Status: is not in the model'],
    ['DescribeNetworkInterfaces', enis('<status>in-use</status><status/>'), 'status: comes twice'],
    ['DescribeNetworkInterfaces', enis('some'), '[0]: has text, and is a structure'],
    [
      'DescribeNetworkInterfaces',
      enis('<vpcId><x/></vpcId>'),
      'vpcId: has elements, and is a string',
    ],
    [
      'DescribeNetworkInterfaces',
      '<networkInterfaceSet><member/></networkInterfaceSet>',
      '<member>, not <item>',
    ],
    [
      'DescribeNetworkInterfaces',
      enis('<attachment><attachTime>yesterday</attachTime></attachment>'),
      'attachTime: yesterday is no timestamp',
    ],
    [attach, '<networkCardIndex></networkCardIndex>', 'networkCardIndex:  is no integer'],
    [attach, '<return>true</return>', 'AttachNetworkInterface.return: is not in the model'],
    [attach, '<attachmentId>a & b</attachmentId>', 'is no XML'],
    [attach, '<attachmentId>', 'is no XML'],
    ['DetachNetworkInterface', '', 'answers <return>true</return>'],
    ['DescribeSubnets', '<?xml version="1.0" encoding="UTF-8"?><html/>', 'the answer is <html>'],
  ])('an answer in XML: %s %s', (action, inner, what) => {
    const said = answered(action, inner);
    expect(said).toContainEqual(expect.stringContaining(what));
    expect(said.filter((text) => !text.startsWith('lab: ec2: '))).toEqual([]);
  });

  test('the envelope of an answer of EC2', () => {
    const namespace = 'http://ec2.amazonaws.com/doc/2016-11-15/';
    const id = '<requestId>1</requestId>';
    expect(answered('DescribeSubnets', wrap(namespace, id))).toEqual([]);
    expect(answered('DescribeSubnets', wrap('http://other/', id))).toEqual([
      `lab: ec2: DescribeSubnets: the namespace is http://other/, not ${namespace}`,
    ]);
    expect(answered('DescribeSubnets', wrap(namespace, ''))).toEqual([
      'lab: ec2: DescribeSubnets: the answer has 0 elements <requestId>',
    ]);
  });

  test('an operation without output answers nothing', () => {
    expect(create('')).toEqual([]);
    expect(create({})).toEqual([]);
    expect(create({ arn: 'a' })).toEqual([expect.stringContaining('answers nothing, not {"arn"')]);
  });

  test('the form of an error of EC2', () => {
    const html = '<?xml version="1.0" encoding="UTF-8"?><html><body/></html>';
    expect(answered(attach, html, { status: 500, type: 'text/html' })).toEqual([
      'lab: ec2: AttachNetworkInterface: the content type of the answer is text/html, not text/xml;charset=UTF-8',
      expect.stringContaining('the error is html(body())'),
    ]);
    expect(answered(attach, xmlError, { status: 400 })).toEqual([]);
    const spaced = xmlError.replace('InvalidParameterValue', 'not a code');
    expect(answered(attach, spaced, { status: 400 })).toEqual([
      expect.stringContaining('not a code is no error code'),
    ]);
  });
});
