// Where the metadata service is: the two link-local addresses, or what the SDKs' environment variables say.
import { BerthError } from '../errors.ts';

const ipv4 = 'http://169.254.169.254';
/** Off by default, in IPv6 subnets only; turning it on leaves IPv4 on. */
const ipv6 = 'http://[fd00:ec2::254]';

/** To be tried in this order. Throws `usage`. */
export function imdsEndpoints(
  environment: Readonly<Record<string, string | undefined>>,
): readonly [string, ...string[]] {
  const endpoint = environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'];
  if (endpoint !== undefined && endpoint !== '') return [validated(endpoint)];
  const mode = environment['AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE'] ?? '';
  switch (mode.toLowerCase()) {
    case '':
      return [ipv4, ipv6];
    case 'ipv4':
      return [ipv4];
    case 'ipv6':
      return [ipv6];
    default:
      throw new BerthError(
        'usage',
        'cannot use AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: set it to IPv4 or IPv6, or remove it',
      );
  }
}

function validated(endpoint: string): string {
  const url = URL.parse(endpoint);
  if (
    url === null ||
    url.protocol !== 'http:' ||
    `${url.username}${url.password}${url.search}${url.hash}` !== '' ||
    url.pathname !== '/'
  ) {
    throw new BerthError(
      'usage',
      'cannot use AWS_EC2_METADATA_SERVICE_ENDPOINT: set it to http://HOST or http://HOST:PORT, or remove it',
    );
  }
  return url.origin;
}
