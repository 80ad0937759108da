// One call to EC2 over the AWS SDK, which is loaded with the first: timed for the log, its error classified.
import type { EC2Client } from '@aws-sdk/client-ec2';
import type { Log } from '../log.ts';
import { awsClientConfig, awsCodeOf, type AwsAccess, type ClientHeritage } from '../system/aws.ts';
import type { Clock } from '../system/clock.ts';
import { classifyEc2Error } from './ec2-errors.ts';
import type * as Sdk from './ec2-sdk.ts';
import { refuseHtml } from './refuse-html.ts';

export type Ec2CallsDeps = { readonly clock: Clock; readonly log: Log };

/** Throws what `classifyEc2Error` makes of an error, and the signal's reason. */
export type Call = <T>(
  action: string,
  work: (sdk: typeof Sdk, client: EC2Client) => Promise<T>,
  signal: AbortSignal,
) => Promise<T>;

/** `onDate`: hears the time of day of each answer, errors too. */
export function createEc2Calls(
  deps: Ec2CallsDeps,
  access: AwsAccess,
  onDate?: (dateMs: number) => void,
): Disposable & { readonly call: Call } {
  let loading: Promise<{ sdk: typeof Sdk; client: EC2Client }> | undefined;
  /** The SDK keeps credentials until shortly before their end: a new client reads them anew. */
  let before: ClientHeritage | undefined;
  const load = () =>
    (loading ??= import('./ec2-sdk.ts').then((sdk) => ({
      sdk,
      client: hearDates(refuseHtml(new sdk.EC2Client(awsClientConfig(access, before))), onDate),
    })));
  const unload = (): void => {
    void loading?.then(
      ({ client }) => client.destroy(),
      () => undefined,
    );
    loading = undefined;
  };

  const call: Call = async (action, work, signal) => {
    const { sdk, client } = await load();
    const startMs = deps.clock.monotonicMs();
    const tell = (outcome: string): void => {
      deps.log.debug(
        {
          step: `ec2:${action}`,
          sinceStartMs: Math.round(deps.clock.monotonicMs()),
          ms: Math.round(deps.clock.monotonicMs() - startMs),
          outcome,
        },
        `ec2:${action}`,
      );
    };
    try {
      const result = await work(sdk, client);
      before = undefined;
      tell('ok');
      return result;
    } catch (error) {
      signal.throwIfAborted();
      const classified = classifyEc2Error(`ec2:${action}`, error);
      tell(awsCodeOf(error));
      if (classified.code === 'aws-credentials') {
        before = { refused: true, clockOffsetMs: client.config.systemClockOffset };
        unload();
      }
      throw classified;
    }
  };
  return { call, [Symbol.dispose]: unload };
}

function hearDates(client: EC2Client, onDate: ((dateMs: number) => void) | undefined): EC2Client {
  if (onDate === undefined) return client;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { readonly headers?: Record<string, string> };
      const dateMs = Date.parse(headers?.['date'] ?? '');
      if (!Number.isNaN(dateMs)) onDate(dateMs);
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'hearDates' },
  );
  return client;
}
