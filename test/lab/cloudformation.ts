// Reads a CloudFormation template with its functions and conditions resolved: those that packaging/cloudformation uses.
import { readFileSync } from 'node:fs';
import { parse, type CollectionTag, type ScalarTag } from 'yaml';

type Properties = Readonly<Record<string, unknown>>;
export type Resource = Properties & { readonly Type: string; readonly Properties: Properties };

export type Stack = {
  readonly resources: Readonly<Record<string, Resource>>;
  readonly outputs: Readonly<Record<string, { readonly Value: unknown }>>;
};

/** Lists as in `aws cloudformation deploy`: with commas. */
export type Parameters = Readonly<Record<string, string>>;

type Template = {
  readonly Parameters?: Readonly<
    Record<string, { readonly Type: string; readonly Default?: string }>
  >;
  readonly Conditions?: Properties;
  readonly Resources: Stack['resources'];
  readonly Outputs?: Stack['outputs'];
};

const noValue = Symbol('AWS::NoValue');
const pseudo: Readonly<Record<string, unknown>> = {
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-west-1',
  'AWS::AccountId': '111122223333',
  'AWS::StackName': 'the-stack',
  'AWS::StackId': 'arn:aws:cloudformation:eu-west-1:111122223333:stack/the-stack/1',
  'AWS::NoValue': noValue,
};

/** `!Ref X` is `{Ref: X}`, `!Sub x` is `{Fn::Sub: x}`. */
const shortForms = ['Ref', 'Sub', 'GetAtt', 'Select', 'Join', 'If', 'Not', 'Equals', 'GetAZs'];
const customTags = shortForms.flatMap((name): (ScalarTag | CollectionTag)[] => {
  const tag = `!${name}`;
  const key = name === 'Ref' ? name : `Fn::${name}`;
  return [
    { tag, resolve: (text: string) => ({ [key]: text }) },
    {
      tag,
      collection: 'seq',
      resolve: (seq) => ({ [key]: (seq as { toJSON(): unknown }).toJSON() }),
    },
  ];
});

/** As CloudFormation reads it: YAML 1.1, whose bare Null is no text. */
export function parseTemplate(text: string): unknown {
  return parse(text, { version: '1.1', customTags });
}

/** A resource stands for its logical id, a log group for its name. */
export function readStack(file: string, given: Parameters = {}): Stack {
  const template = parseTemplate(readFileSync(file, 'utf8')) as Template;
  const parameters = Object.entries(template.Parameters ?? {}).map(([name, { Type, Default }]) => {
    const value = given[name] ?? Default;
    if (value === undefined) throw new Error(`the parameter ${name} has no value`);
    return [name, /^(List<|CommaDelimitedList)/.test(Type) ? value.split(',') : value] as const;
  });
  const known = { ...pseudo, ...Object.fromEntries(parameters) };

  const reference = (name: string): unknown => {
    if (Object.hasOwn(known, name)) return known[name];
    const resource = template.Resources[name];
    if (resource === undefined) throw new Error(`the template refers to ${name}, which it lacks`);
    return resolve(resource.Properties?.['LogGroupName'] ?? name);
  };
  const attribute = (path: string): string => {
    if (template.Resources[path.split('.')[0]!] === undefined) throw new Error(`no ${path}`);
    return path;
  };
  const apply: Readonly<Record<string, (value: never) => unknown>> = {
    Ref: reference,
    'Fn::GetAtt': attribute,
    'Fn::Sub': (text: string) =>
      text.replaceAll(/\$\{(!?)([^}]+)\}/g, (_whole, isLiteral: string, name: string) => {
        if (isLiteral !== '') return `\${${name}}`;
        return String(name.includes('.') ? attribute(name) : reference(name));
      }),
    'Fn::Base64': (value) => Buffer.from(String(resolve(value))).toString('base64'),
    'Fn::Select': ([index, list]: [number, unknown]) => (resolve(list) as unknown[])[index],
    'Fn::Join': ([glue, list]: [string, unknown]) => (resolve(list) as unknown[]).join(glue),
    'Fn::GetAZs': () => ['eu-west-1a', 'eu-west-1b'],
    'Fn::Equals': ([one, other]: [unknown, unknown]) => resolve(one) === resolve(other),
    'Fn::Not': ([value]: [unknown]) => resolve(value) !== true,
    'Fn::If': ([condition, yes, no]: [string, unknown, unknown]) =>
      resolve(resolve(template.Conditions?.[condition]) === true ? yes : no),
  };
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    const [first, ...others] = Object.entries(value);
    const called = others.length === 0 ? apply[first?.[0] ?? ''] : undefined;
    if (called !== undefined) return called(first![1] as never);
    if (first?.[0].startsWith('Fn::') === true) throw new Error(`cannot resolve ${first[0]}`);
    return Object.fromEntries(
      Object.entries(value)
        .map(([key, inner]) => [key, resolve(inner)] as const)
        .filter(([, inner]) => inner !== noValue),
    );
  };
  return {
    resources: resolve(template.Resources) as Stack['resources'],
    outputs: resolve(template.Outputs ?? {}) as Stack['outputs'],
  };
}
