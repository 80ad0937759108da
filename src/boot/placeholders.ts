// The placeholders of the CloudWatch agent in names of log groups and streams (logs.md section 2).
import type { Identity } from '../model/instance.ts';

/** What the placeholders stand for. */
export type PlaceholderFacts = {
  /** undefined: not on EC2, where the agent's UNKNOWN values stand in. */
  readonly identity: Identity | undefined;
  /** Of the operating system. */
  readonly localHostname: string | undefined;
  /** Of the start: the date is filled in once, in local time. */
  readonly nowMs: number;
};

export type Filled = {
  readonly text: string;
  /** `{foo}` that means nothing and is left as it is. */
  readonly unknown: readonly string[];
};

/** Fills in each `{name}`. */
export function fillPlaceholders(template: string, facts: PlaceholderFacts): Filled {
  const { identity, localHostname } = facts;
  const values: Readonly<Record<string, string>> = {
    instance_id: identity?.instanceId ?? 'i-UNKNOWN',
    hostname: identity?.hostname ?? localHostname ?? 'UNKNOWN-HOST',
    local_hostname: localHostname ?? 'UNKNOWN-HOST',
    ip_address: identity?.privateIpv4 ?? 'UNKNOWN-IP',
    aws_region: identity?.region ?? 'UNKNOWN-REGION',
    account_id: identity?.accountId ?? 'UNKNOWN-ACCOUNT',
    date: localDate(facts.nowMs),
  };
  const unknown: string[] = [];
  const text = template.replaceAll(/\{([^{}]*)\}/g, (whole, name: string) => {
    if (Object.hasOwn(values, name)) return values[name]!;
    unknown.push(whole);
    return whole;
  });
  return { text, unknown };
}

function localDate(ms: number): string {
  const date = new Date(ms);
  const parts = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return parts.map((part) => String(part).padStart(2, '0')).join('-');
}
