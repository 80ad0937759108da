// Which address of the metadata service is used.
import { describe, expect, test } from 'vitest';
import { imdsEndpoints } from '../../src/boot/imds-endpoint.ts';

const mode = (value: string) => imdsEndpoints({ AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: value });

describe('imdsEndpoints', () => {
  test('IPv4 first, then IPv6', () => {
    expect(imdsEndpoints({})).toEqual(['http://169.254.169.254', 'http://[fd00:ec2::254]']);
  });

  test('the mode chooses one', () => {
    expect(mode('IPv6')).toEqual(['http://[fd00:ec2::254]']);
    expect(mode('ipv4')).toEqual(['http://169.254.169.254']);
    expect(() => mode('ipx')).toThrow(/^cannot use .*_MODE: set it to IPv4 or IPv6/);
  });

  test('an endpoint is the only one, whatever the mode', () => {
    const environment = {
      AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1338/',
      AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: 'IPv6',
    };
    expect(imdsEndpoints(environment)).toEqual(['http://127.0.0.1:1338']);
  });

  test.each(['127.0.0.1', 'https://127.0.0.1', 'http://u:p@h', 'http://h/latest', 'file:///x'])(
    '%s is refused, and not repeated',
    (endpoint) => {
      const failing = () => imdsEndpoints({ AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint });
      expect(failing).toThrow(/^cannot use AWS_EC2_METADATA_SERVICE_ENDPOINT: set it to http/);
    },
  );
});
