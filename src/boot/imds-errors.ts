// What an answer of IMDS, or the lack of one, means (imds.md section 1), and what the operator can do about it.
import { BerthError, messageOf } from '../errors.ts';
import { isErrno } from '../system/files.ts';

export const tokenPath = 'api/token';

const turnOn =
  'aws ec2 modify-instance-metadata-options --http-endpoint enabled --http-tokens required';

/** No HTTP answer at all. `known`: this endpoint has answered before. */
export function noAnswer(
  endpoint: string,
  path: string,
  known: boolean,
  error: unknown,
): BerthError {
  if (known || isErrno(error, 'ECONNRESET', 'EPIPE')) {
    return new BerthError(
      'imds-unavailable',
      `cannot read ${path} from the metadata service at ${endpoint}: ${messageOf(error)}; try again later`,
      { cause: error, retryable: true },
    );
  }
  // The answer to the token request alone has a hop limit; beyond it, it never arrives.
  const hops =
    error instanceof DOMException && error.name === 'TimeoutError'
      ? ', and in a container or bridged network raise the hop limit (--http-put-response-hop-limit 2)'
      : '';
  return new BerthError(
    'imds-absent',
    `cannot reach the metadata service at ${endpoint} (${messageOf(error)}): berth runs on EC2 instances; turn IMDS on (${turnOn})${hops}`,
    { cause: error, retryable: true },
  );
}

/** A status other than 200 (and 404 for a read). */
export function badStatus(path: string, status: number): BerthError {
  const details = { path, status };
  const refused = (why: string): BerthError =>
    new BerthError('imds-refused', `cannot read ${path} from the metadata service: ${why}`, {
      details,
    });
  if (status === 403) {
    return refused(`it refuses (403), as it does when IMDS is off: turn it on (${turnOn})`);
  }
  if (path === tokenPath && (status === 404 || status === 405)) {
    return refused(
      `it answers ${status}, so it knows version 1 only, which berth never uses: run it on EC2, where version 2 is always there`,
    );
  }
  if (path === tokenPath && status === 400) {
    return refused('it calls the request invalid (400); this is a mistake in berth, report it');
  }
  return new BerthError(
    'imds-unavailable',
    `cannot read ${path} from the metadata service: it answered ${status}, try again later`,
    { retryable: true, details },
  );
}

/** Names the path, never the content, which may be secret. */
export function garbage(path: string, what: string, cause?: unknown): BerthError {
  return new BerthError(
    'imds-garbage',
    `cannot understand ${path} of the metadata service: ${what}; is a proxy or an emulator in front of it?`,
    { details: { path }, ...(cause === undefined ? {} : { cause }) },
  );
}

/** Throws `imds-garbage`. */
export function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which may be secret: no cause.
    throw garbage(path, 'that is no JSON');
  }
}
