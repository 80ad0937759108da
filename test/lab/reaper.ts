// Plays the operator's EventBridge rule and Lambda (iam.md section 6): a terminated instance loses its claims.
import {
  DeleteTagsCommand,
  EC2Client,
  paginateDescribeNetworkInterfaces,
} from '@aws-sdk/client-ec2';
import type { Ec2Model } from './ec2-model.ts';

export type ReaperInput = {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
};

/** Works over the HTTP API. Deletes by value, so that an ENI that was claimed again meanwhile keeps its owner. */
export function startReaper(model: Ec2Model, input: ReaperInput): AsyncDisposable {
  const client = new EC2Client(input);
  const running = new Set<Promise<void>>();
  const aborting = new AbortController();

  const reap = async (owner: string): Promise<void> => {
    const pages = paginateDescribeNetworkInterfaces(
      { client, pageSize: 100 },
      { Filters: [{ Name: 'tag:berth:owner', Values: [owner] }] },
      { abortSignal: aborting.signal },
    );
    for await (const page of pages) {
      const Resources = (page.NetworkInterfaces ?? []).map((eni) => eni.NetworkInterfaceId!);
      if (Resources.length === 0) continue;
      const Tags = [{ Key: 'berth:owner', Value: owner }];
      await client.send(new DeleteTagsCommand({ Resources, Tags }), {
        abortSignal: aborting.signal,
      });
    }
  };

  const stop = model.on('change', (change) => {
    if (change.kind !== 'instance' || change.instance?.state !== 'terminated') return;
    const work = reap(model.arnOf(change.id))
      .catch((error: unknown) => {
        if (!aborting.signal.aborted) console.error(`lab: reaper of ${change.id}`, error);
      })
      .finally(() => running.delete(work));
    running.add(work);
  });

  return {
    [Symbol.asyncDispose]: async () => {
      stop();
      aborting.abort(new Error('the lab is stopping'));
      await Promise.all(running);
      client.destroy();
    },
  };
}
