// IAM policies: the operators, variables and rules that berth's policies use (iam.md section 8).
import { wild } from './ec2-filters.ts';
import type { IamContext, IamResource } from './ec2-authorization.ts';

export type Policy = { readonly Version: string; readonly Statement: readonly Statement[] };
export type Statement = {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<
    Record<string, Readonly<Record<string, string | readonly string[]>>>
  >;
};

export type IamRequest = {
  /** `ec2:CreateTags` */
  readonly action: string;
  readonly resource: IamResource;
  /** What belongs to the request rather than to the resource. */
  readonly context: IamContext;
};

export type Verdict = {
  readonly decision: 'allow' | 'implicit-deny' | 'explicit-deny';
  /** Of the statement that decided; undefined for an implicit denial. */
  readonly sid: string | undefined;
};

/** One resource; a call is allowed if each of its resources is. An explicit denial wins. */
export function evaluate(policies: readonly Policy[], request: IamRequest): Verdict {
  const context = lowerCased({ ...request.context, ...request.resource.context });
  const holding = policies
    .flatMap((policy) => policy.Statement)
    .filter((statement) => applies(statement, request, context));
  const deny = holding.find((statement) => statement.Effect === 'Deny');
  if (deny !== undefined) return { decision: 'explicit-deny', sid: deny.Sid };
  const allow = holding.find((statement) => statement.Effect === 'Allow');
  return allow === undefined
    ? { decision: 'implicit-deny', sid: undefined }
    : { decision: 'allow', sid: allow.Sid };
}

/** Condition keys in lower case, since their names are case-insensitive. */
type Context = ReadonlyMap<string, readonly string[]>;

function lowerCased(context: IamContext): Context {
  return new Map(
    Object.entries(context).map(([key, value]) => [key.toLowerCase(), listOf(value)] as const),
  );
}

function applies(statement: Statement, request: IamRequest, context: Context): boolean {
  const { action, resource } = request;
  return (
    listOf(statement.Action).some((pattern) =>
      wild(pattern.toLowerCase()).test(action.toLowerCase()),
    ) &&
    listOf(statement.Resource).some((pattern) => likeArn(pattern, resource.arn, context)) &&
    Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
      Object.entries(keys).every(([key, values]) =>
        holds(operator, key.toLowerCase(), listOf(values), context),
      ),
    )
  );
}

type Compare = (pattern: string, value: string, context: Context) => boolean;
const equal: Compare = (pattern, value, context) => resolve(pattern, context) === value;
const like: Compare = (pattern, value, context) => {
  const text = resolve(pattern, context);
  return text !== undefined && wild(text).test(value);
};
const likeArn: Compare = (pattern, value, context) =>
  pattern === '*' || like(pattern, value, context);

/** `not`: holds when nothing matches, hence for an absent key and for a variable without a value too. */
const operators: Readonly<Record<string, { readonly compare: Compare; readonly not: boolean }>> = {
  StringEquals: { compare: equal, not: false },
  StringNotEquals: { compare: equal, not: true },
  StringEqualsIgnoreCase: {
    compare: (pattern, value, context) =>
      resolve(pattern, context)?.toLowerCase() === value.toLowerCase(),
    not: false,
  },
  StringLike: { compare: like, not: false },
  StringNotLike: { compare: like, not: true },
  ArnEquals: { compare: likeArn, not: false },
  ArnLike: { compare: likeArn, not: false },
  ArnNotEquals: { compare: likeArn, not: true },
  ArnNotLike: { compare: likeArn, not: true },
};

function holds(name: string, key: string, patterns: readonly string[], context: Context): boolean {
  const values = context.get(key);
  if (name === 'Null') return patterns.includes(String(values === undefined));

  const [, set, base, ifExists] =
    /^(ForAllValues:|ForAnyValue:)?(.*?)(IfExists)?$/.exec(name) ?? [];
  const operator = operators[base ?? ''];
  if (operator === undefined) throw new Error(`cannot evaluate the IAM operator ${name}`);
  if (values === undefined && ifExists !== undefined) return true;
  const matches = (value: string): boolean =>
    patterns.some((pattern) => operator.compare(pattern, value, context)) !== operator.not;
  if (set === 'ForAllValues:') return (values ?? []).every(matches);
  if (set === 'ForAnyValue:') return (values ?? []).some(matches);
  return values === undefined ? operator.not : values.some(matches);
}

/** undefined: a variable has no value, so this equals nothing. */
function resolve(pattern: string, context: Context): string | undefined {
  let resolved = true;
  const text = pattern.replaceAll(/\$\{([^}]+)\}/g, (_whole, name: string) => {
    const value = context.get(name.toLowerCase())?.[0];
    if (value === undefined) resolved = false;
    return value ?? '';
  });
  return resolved ? text : undefined;
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}
