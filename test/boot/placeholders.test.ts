// What the placeholders in names stand for.
import { describe, expect, test } from 'vitest';
import { fillPlaceholders } from '../../src/boot/placeholders.ts';
import { identityOf } from '../fixtures/identity.ts';

const nowMs = new Date(2026, 0, 9, 23, 59).getTime();
const facts = { identity: identityOf(), localHostname: 'web-1', nowMs };
const all =
  '{instance_id} {hostname} {local_hostname} {ip_address} {aws_region} {account_id} {date}';

describe('fillPlaceholders', () => {
  test('on an instance', () => {
    expect(fillPlaceholders(all, facts).text).toBe(
      'i-0123456789abcdef0 ip-10-0-0-10.eu-central-1.compute.internal web-1 10.0.0.10 eu-central-1 123456789012 2026-01-09',
    );
  });

  test('elsewhere, as the CloudWatch agent does', () => {
    const nowhere = { identity: undefined, localHostname: undefined, nowMs };
    expect(fillPlaceholders(all, nowhere).text).toBe(
      'i-UNKNOWN UNKNOWN-HOST UNKNOWN-HOST UNKNOWN-IP UNKNOWN-REGION UNKNOWN-ACCOUNT 2026-01-09',
    );
  });

  test('without a hostname of EC2, that of the system', () => {
    const bare = { ...facts, identity: identityOf({ hostname: undefined }) };
    expect(fillPlaceholders('{hostname}', bare).text).toBe('web-1');
  });

  test('others stay, and are named', () => {
    expect(fillPlaceholders('a{foo}{constructor}{}b{date', facts)).toEqual({
      text: 'a{foo}{constructor}{}b{date',
      unknown: ['{foo}', '{constructor}', '{}'],
    });
  });
});
