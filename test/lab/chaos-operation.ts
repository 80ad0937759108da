// What a request through the chaos proxy asks for, whichever of the lab's protocols it speaks.
import type { IncomingHttpHeaders } from 'node:http';
import { queryVersions } from './front.ts';
import type { LabCall } from './service.ts';

export type ChaosOperation = {
  readonly protocol: 'query' | 'json' | 'imds';
  readonly service: LabCall['service'] | 'imds';
  /** Of IMDS: the path. */
  readonly action: string;
};

export function readOperation(
  {
    url = '/',
    headers,
  }: { readonly url?: string | undefined; readonly headers: IncomingHttpHeaders },
  body: Buffer,
): ChaosOperation {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') {
    const [prefix = '', action = ''] = target.split('.');
    const service = prefix.startsWith('Logs') ? 'logs' : 'ssm';
    return { protocol: 'json', service, action };
  }
  if (headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true) {
    const form = new URLSearchParams(body.toString());
    const service = queryVersions.get(form.get('Version') ?? '') ?? 'ec2';
    return { protocol: 'query', service, action: form.get('Action') ?? '' };
  }
  return { protocol: 'imds', service: 'imds', action: url };
}

/** `ec2:AttachNetworkInterface`, `imds:/latest/api/token` */
export function nameOf({ service, action }: ChaosOperation): string {
  return `${service}:${action}`;
}
