// EC2 speaks XML. A page of HTML comes from a proxy or a portal in between and says nothing about the call.
import type { EC2Client } from '@aws-sdk/client-ec2';

/**
 * Makes such an answer an error without a status, which is an unknown outcome. The SDK would take a page with status
 * 200 for an empty success: "tagged", or "no such ENI".
 */
export function refuseHtml(client: EC2Client): EC2Client {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { statusCode, headers } = result.response as {
        readonly statusCode?: number;
        readonly headers?: Readonly<Record<string, string>>;
      };
      if (headers?.['content-type']?.includes('html') === true) {
        throw new Error(`HTTP ${statusCode} with a page of HTML; is there a proxy in between?`);
      }
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'refuseHtml' },
  );
  return client;
}
