// An https endpoint in front of the lab, with a certificate for 127.0.0.1 by an authority of its own.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export type TlsFront = AsyncDisposable & {
  readonly endpoint: string;
  /** PEM of the authority. */
  readonly caFile: string;
};

/** Part of the name of a test that is skipped without the command `openssl`. */
export const needsOpenssl = hasOpenssl() ? '' : ' (skipped: no openssl here)';

/** `folder` is left with keys in it. */
export async function createTlsFront(target: string, folder: string): Promise<TlsFront> {
  const file = (name: string): string => join(folder, name);
  const make = (name: string, subject: string, ...more: readonly string[]): void => {
    const output = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)];
    const options = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', subject];
    execFileSync('openssl', ['req', ...options, ...output, ...more], { stdio: 'ignore' });
  };
  make('ca', '/CN=berth lab');
  const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key')];
  make('server', '/CN=lab', ...signer, '-addext', 'subjectAltName=IP:127.0.0.1');

  const key = readFileSync(file('server.key'));
  const cert = readFileSync(file('server.pem'));
  const server = createServer({ key, cert }, (request, response) => {
    const { method, headers } = request;
    const forwarded = httpRequest(new URL(request.url ?? '/', target), { method, headers });
    forwarded.once('error', () => response.destroy());
    forwarded.once('response', (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forwarded);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `https://127.0.0.1:${port}`,
    caFile: file('ca.pem'),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
