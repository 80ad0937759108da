// An https endpoint in front of the lab, with a certificate for its address by an authority of its own.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export type TlsFront = AsyncDisposable & {
  readonly endpoint: string;
  /** PEM of the authority. */
  readonly caFile: string;
  /** From now on the certificate is one that is valid. */
  renew(): void;
};

export type TlsFrontOptions = {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** The certificate is valid in some years, and not before. */
  readonly tooEarly?: boolean;
};

/** Part of the name of a test that is skipped without the command `openssl`. */
export const needsOpenssl = hasOpenssl() ? '' : ' (skipped: no openssl here)';

/** `folder` is left with keys in it. */
export async function createTlsFront(
  target: string,
  folder: string,
  { host = '127.0.0.1', tooEarly = false }: TlsFrontOptions = {},
): Promise<TlsFront> {
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const make = (name: string, subject: string, ...more: readonly string[]): void => {
    const output = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', subject, ...output, ...more);
  };
  const alternative = ['-addext', `subjectAltName=IP:${host}`];
  const today = ['-x509', '-days', '1'];
  make('ca', '/CN=berth lab', ...today);
  make('server', '/CN=lab', ...today, '-CA', 'ca.pem', '-CAkey', 'ca.key', ...alternative);
  if (tooEarly) {
    make('early', '/CN=lab', ...alternative);
    writeFileSync(join(folder, 'index.txt'), '');
    writeFileSync(join(folder, 'ca.cnf'), authority);
    // Of OpenSSL 3.0 only this command takes the beginning.
    const days = ['-startdate', '20600101000000Z', '-enddate', '20610101000000Z'];
    const files = ['-config', 'ca.cnf', '-in', 'early.pem', '-out', 'early.pem'];
    openssl('ca', '-batch', '-notext', ...days, ...files);
  }
  const pair = (name: string) => ({
    key: readFileSync(join(folder, `${name}.key`)),
    cert: readFileSync(join(folder, `${name}.pem`)),
  });

  const server = createServer(pair(tooEarly ? 'early' : 'server'), (request, response) => {
    const { method, headers } = request;
    const forwarded = httpRequest(new URL(request.url ?? '/', target), { method, headers });
    forwarded.once('error', () => response.destroy());
    forwarded.once('response', (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forwarded);
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `https://${host}:${port}`,
    caFile: join(folder, 'ca.pem'),
    renew: () => server.setSecureContext(pair('server')),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const authority = [
  '[ca]',
  'default_ca = lab',
  '[lab]',
  'certificate = ca.pem',
  'private_key = ca.key',
  'database = index.txt',
  'rand_serial = yes',
  'new_certs_dir = .',
  'default_md = sha256',
  'policy = any',
  'copy_extensions = copy',
  '[any]',
  'commonName = supplied',
  '',
].join('\n');

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
