// Who signed a request (SigV4), and whether the signature is right: judged by the SDK's own signer.
import { createHash, createHmac, timingSafeEqual, type BinaryLike } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { SignatureV4 } from '@smithy/signature-v4';

export type Signature = {
  readonly accessKeyId: string;
  readonly sessionToken: string | undefined;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** Of `X-Amz-Date`. */
  readonly signedAtMs: number;
};

/** undefined: not signed, or not in the form of SigV4. */
export function parseSignature(request: IncomingMessage): Signature | undefined {
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    );
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(
    header(request, 'x-amz-date') ?? '',
  );
  if (match === null || date === null) return undefined;
  return {
    accessKeyId: match[1]!,
    sessionToken: header(request, 'x-amz-security-token'),
    region: match[2]!,
    service: match[3]!,
    signedHeaders: match[4]!.split(';'),
    signature: match[5]!,
    signedAtMs: Date.parse(
      `${date[1]}-${date[2]}-${date[3]}T${date[4]}:${date[5]}:${date[6]}.000Z`,
    ),
  };
}

/** Signs the request again with the secret that the lab issued, and compares. */
export async function isSignedWith(
  secretAccessKey: string,
  signature: Signature,
  request: IncomingMessage,
  body: Buffer,
): Promise<boolean> {
  const { accessKeyId, sessionToken, region, service, signedHeaders } = signature;
  const url = new URL(request.url ?? '/', 'http://lab');
  const signer = new SignatureV4({
    credentials: {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
    region,
    service,
    sha256: Sha256,
    // The AWS CLI signs the body without naming its hash in a header.
    applyChecksum: signedHeaders.includes('x-amz-content-sha256'),
  });
  const signed = await signer.sign(
    {
      method: request.method ?? 'POST',
      protocol: 'http:',
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: Object.fromEntries(
        signedHeaders.map((name) => [name, header(request, name) ?? ''] as const),
      ),
      body: new Uint8Array(body),
    },
    {
      signingDate: new Date(signature.signedAtMs),
      signableHeaders: new Set(signedHeaders),
    },
  );
  const expected = /Signature=([0-9a-f]{64})$/.exec(signed.headers['authorization'] ?? '')?.[1];
  return (
    expected !== undefined &&
    timingSafeEqual(Buffer.from(expected), Buffer.from(signature.signature))
  );
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}

/** What the signer asks of a hash; with a secret it is an HMAC. */
export class Sha256 {
  readonly #secret: BinaryLike | undefined;
  #chunks: Uint8Array[] = [];

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret =
      secret === undefined || typeof secret === 'string' ? secret : Buffer.from(bytesOf(secret));
  }

  update(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  async digest(): Promise<Uint8Array> {
    const hash =
      this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret);
    for (const chunk of this.#chunks) hash.update(chunk);
    return new Uint8Array(hash.digest());
  }

  reset(): void {
    this.#chunks = [];
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
