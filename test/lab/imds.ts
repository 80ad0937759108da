// The lab's IMDS: version 2 of the protocol over HTTP (imds.md section 1), for every instance that a remote address stands for.
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../src/system/clock.ts';
import type { Random } from '../../src/system/random.ts';
import { createSeededRandom } from '../fakes/random.ts';
import { imdsTree, listing, type ImdsNode, type ImdsView } from './imds-tree.ts';

export type ImdsServerInput = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Decides when a token has expired. */
  readonly clock: Pick<Clock, 'nowMs'>;
  /** IPv4 comes without the `::ffff:` prefix. undefined: no instance has this address. */
  readonly viewOf: (remoteAddress: string) => ImdsView | undefined;
  /** What `rates` are drawn from. Default: the same for each server. */
  readonly random?: Pick<Random, 'next'>;
  /** Default: no faults. */
  readonly rates?: Partial<ImdsRates>;
};

/** Chances of 0 to 1, drawn for each request. */
export type ImdsRates = {
  /** 503 for a token. */
  tokenUnavailable: number;
  /** 503 for a read. */
  readUnavailable: number;
  /** 401 for a read, though its token is good. */
  unauthorized: number;
  reset: number;
  /** Never answered. */
  silent: number;
};

export type ImdsServer = AsyncDisposable & {
  /** `http://127.0.0.1:40123` */
  readonly endpoint: string;
  /** Oldest first; requests that were reset or never answered have no status. */
  readonly requests: readonly ImdsRequest[];
  readonly dials: ImdsDials;
  /** As after a restart of IMDS: every token is 401 from now on. */
  forgetTokens(): void;
  /** Connections are refused from now on, and open ones are cut. */
  refuse(): Promise<void>;
  /** Listens again, at the same endpoint. */
  accept(): Promise<void>;
};

export type ImdsRequest = {
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  /** Address of the client. */
  readonly from: string;
  readonly instanceId: string | undefined;
  readonly status: number | undefined;
};

/** A status, or no answer: the connection is reset, or stays silent. */
export type ImdsFault = number | 'reset' | 'silent';

/** Faults; each may be turned at any time. */
export type ImdsDials = {
  /** `disabled`: 403 for everything. `v1-only`: no tokens here (404), GET works without. `optional`: GET works without. */
  mode: 'required' | 'optional' | 'v1-only' | 'disabled';
  /** So many of the next connections are reset as soon as they are there. */
  resetConnections: number;
  /** For the next token requests, one each. */
  readonly tokenFaults: ImdsFault[];
  /** For the next reads, one each. */
  readonly readFaults: ImdsFault[];
  /** The hop limit is exceeded: the answer to the token request never arrives. */
  tokensNeverArrive: boolean;
  /** Real time before each answer. */
  delayMs: number;
  /** By path below `/latest/`: `meta-data/mac`. An override may be garbage, a status, or no answer. */
  readonly overrides: Map<string, ImdsOverride | 'silent'>;
  readonly rates: ImdsRates;
  /** MACs that are not listed. */
  readonly omitMacs: Set<string>;
};

export type ImdsOverride = { readonly status: number; readonly body: string | Buffer };

type Answer = {
  readonly status: number;
  readonly body: string | Buffer;
  readonly headers: Readonly<Record<string, string>>;
};

const noFaults: ImdsRates = {
  tokenUnavailable: 0,
  readUnavailable: 0,
  unauthorized: 0,
  reset: 0,
  silent: 0,
};

const versions = ['2009-04-04', '2016-09-02', '2018-09-24', '2021-03-23', '2022-09-24'];
const ttlHeader = 'x-aws-ec2-metadata-token-ttl-seconds';
const text = { 'content-type': 'text/plain' };

export async function createImdsServer(input: ImdsServerInput): Promise<ImdsServer> {
  const requests: ImdsRequest[] = [];
  const tokens = new Map<string, { readonly instanceId: string; readonly expiresAtMs: number }>();
  const sockets = new Set<Socket>();
  const random = input.random ?? createSeededRandom(1);
  const dials: ImdsDials = {
    mode: 'required',
    resetConnections: 0,
    tokenFaults: [],
    readFaults: [],
    tokensNeverArrive: false,
    delayMs: 0,
    overrides: new Map(),
    rates: { ...noFaults, ...input.rates },
    omitMacs: new Set(),
  };
  const happens = (rate: keyof ImdsRates): boolean =>
    dials.rates[rate] > 0 && random.next() < dials.rates[rate];
  const drawFault = (forToken: boolean): ImdsFault | undefined => {
    if (happens('reset')) return 'reset';
    if (happens('silent')) return 'silent';
    if (happens(forToken ? 'tokenUnavailable' : 'readUnavailable')) return 503;
    return !forToken && happens('unauthorized') ? 401 : undefined;
  };

  const issueToken = (req: IncomingMessage, view: ImdsView): Answer => {
    if (req.headers['x-forwarded-for'] !== undefined) return failure(403);
    const asked = req.headers[ttlHeader];
    if (typeof asked !== 'string' || !/^\d{1,5}$/.test(asked)) return failure(400);
    const ttlSeconds = Number(asked);
    if (ttlSeconds < 1 || ttlSeconds > 21_600) return failure(400);
    const token = `AQAEA${randomBytes(38).toString('base64url')}==`;
    const expiresAtMs = input.clock.nowMs() + ttlSeconds * 1000;
    tokens.set(token, { instanceId: view.instanceId, expiresAtMs });
    return { status: 200, body: token, headers: { ...text, [ttlHeader]: asked } };
  };

  const mayRead = (req: IncomingMessage, view: ImdsView): boolean => {
    const token = req.headers['x-aws-ec2-metadata-token'];
    if (token === undefined) return dials.mode !== 'required';
    const known = tokens.get(String(token));
    return known?.instanceId === view.instanceId && known.expiresAtMs > input.clock.nowMs();
  };

  const read = (path: string, view: ImdsView): Answer | 'silent' => {
    const parts = path.split('/').filter((part) => part !== '');
    const [version, ...rest] = parts;
    if (version === undefined) return value([...versions, 'latest'].join('\n'));
    if (version !== 'latest' && !versions.includes(version)) return failure(404);
    const override = dials.overrides.get(rest.join('/'));
    if (override === 'silent') return override;
    if (override !== undefined) return { ...override, headers: text };
    let node: ImdsNode | undefined = imdsTree(view, dials.omitMacs);
    for (const part of rest) node = node instanceof Map ? node.get(part) : undefined;
    const isEmpty = node instanceof Map && node.size === 0;
    return node === undefined || isEmpty ? failure(404) : value(node);
  };

  const answer = (
    req: IncomingMessage,
    path: string,
    view: ImdsView | undefined,
  ): Answer | 'silent' => {
    if (dials.mode === 'disabled') return failure(403);
    if (view === undefined) return failure(404);
    if (/^\/[^/]+\/api\/token\/?$/.test(path)) {
      if (dials.mode === 'v1-only') return failure(404);
      if (req.method !== 'PUT') return failure(405);
      // A token path with a date is refused on purpose (User Guide).
      return path.startsWith('/latest/') ? issueToken(req, view) : failure(403);
    }
    if (req.method !== 'GET' && req.method !== 'HEAD') return failure(405);
    return mayRead(req, view) ? read(path, view) : failure(401);
  };

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    req.resume();
    const atMs = input.clock.nowMs();
    const path = decodeURI((req.url ?? '/').replace(/\?.*$/, ''));
    const from = (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const view = input.viewOf(from);
    const note = (status: number | undefined): void => {
      const instanceId = view?.instanceId;
      requests.push({ atMs, method: req.method ?? '', path, from, instanceId, status });
    };
    const forToken = req.method === 'PUT';
    const fault = (forToken ? dials.tokenFaults : dials.readFaults).shift() ?? drawFault(forToken);
    if (dials.delayMs > 0) await sleep(dials.delayMs, undefined, { ref: false });
    if (fault === 'reset') {
      note(undefined);
      req.socket.resetAndDestroy();
    } else if (fault === 'silent' || (forToken && dials.tokensNeverArrive)) {
      note(undefined);
    } else {
      const answered = fault === undefined ? answer(req, path, view) : failure(fault);
      if (answered === 'silent') return note(undefined);
      const { status, body, headers } = answered;
      note(status);
      const length = { 'content-length': String(Buffer.byteLength(body)), server: 'EC2ws' };
      res.writeHead(status, { ...headers, ...length }).end(req.method === 'HEAD' ? '' : body);
    }
  };

  const server = createServer((req, res) => {
    handle(req, res).catch((error: unknown) => {
      res.writeHead(500, text).end(String(error));
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (dials.resetConnections > 0) {
      dials.resetConnections--;
      socket.resetAndDestroy();
    }
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject).listen(port, input.host, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await listen(input.port);
  const { address, port, family } = server.address() as AddressInfo;

  return {
    endpoint: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    requests,
    dials,
    forgetTokens: () => tokens.clear(),
    refuse: close,
    accept: () => listen(port),
    [Symbol.asyncDispose]: close,
  };
}

/** A value, or the listing of a container: one item a line, containers with a final `/`. */
function value(node: ImdsNode): Answer {
  if (Buffer.isBuffer(node)) {
    return { status: 200, body: node, headers: { 'content-type': 'application/octet-stream' } };
  }
  if (typeof node === 'string') return { status: 200, body: node, headers: text };
  if (typeof node === 'function') return { status: 200, body: node(), headers: text };
  const listed = node.get(listing);
  if (listed !== undefined) return value(listed);
  const items = [...node].map(([name, child]) => (child instanceof Map ? `${name}/` : name));
  return { status: 200, body: items.join('\n'), headers: text };
}

/** IMDS explains a failure by a page, which a careless client takes for a token. */
function failure(status: number): Answer {
  const body = `<?xml version="1.0" encoding="iso-8859-1"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>${status}</title></head>
<body><h1>${status}</h1></body></html>
`;
  return { status, body, headers: { 'content-type': 'text/html' } };
}
