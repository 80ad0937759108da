// Takes away what probes made, found by its mark alone: works after a crash, in another process, for every run.
import * as logs from '@aws-sdk/client-cloudwatch-logs';
import * as ec2 from '@aws-sdk/client-ec2';
import * as ssm from '@aws-sdk/client-ssm';
import type { Clock } from '../../src/system/clock.ts';
import type { Clients } from './probe-clients.ts';

/** Tag key of ENIs, and the beginning of the names of parameters and log groups. */
export const markKey = 'berth-conformance';

const maxTries = 120;
const pollMs = 1_000;

export type Swept = {
  readonly enis: number;
  readonly parameters: number;
  readonly logGroups: number;
};

/** `run`: undefined for all of them. Throws when something is still there after two minutes. */
export async function sweep(
  clients: Pick<Clients, 'ec2' | 'ssm' | 'logs'>,
  clock: Clock,
  run: string | undefined,
): Promise<Swept> {
  return {
    parameters: await sweepParameters(clients.ssm, run),
    logGroups: await sweepLogGroups(clients.logs, run),
    enis: await sweepEnis(clients.ec2, clock, run),
  };
}

/** `known`: those that may have lost their mark, or not show it yet. */
export async function sweepEnis(
  client: ec2.EC2Client,
  clock: Clock,
  run: string | undefined,
  known: ReadonlySet<string> = new Set(),
): Promise<number> {
  for (const NetworkInterfaceId of known) {
    await quiet(client.send(new ec2.DeleteNetworkInterfaceCommand({ NetworkInterfaceId })));
  }
  const seen = new Set<string>();
  for (let left = maxTries; left > 0; left--) {
    const enis = await markedEnis(client, run);
    if (enis.length === 0) return seen.size;
    for (const eni of enis) {
      const id = eni.NetworkInterfaceId!;
      seen.add(id);
      // Both may be refused while a change is under way: the next look decides.
      const { AttachmentId, Status } = eni.Attachment ?? {};
      if (AttachmentId !== undefined && Status !== 'detaching') {
        await quiet(client.send(new ec2.DetachNetworkInterfaceCommand({ AttachmentId })));
      }
      await quiet(client.send(new ec2.DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id })));
    }
    if ((await markedEnis(client, run)).length === 0) return seen.size;
    await clock.sleep(pollMs, new AbortController().signal);
  }
  throw new Error(`cannot delete the network interfaces with the tag ${markKey}`);
}

export async function markedEnis(
  client: ec2.EC2Client,
  run: string | undefined,
): Promise<readonly ec2.NetworkInterface[]> {
  const enis: ec2.NetworkInterface[] = [];
  const filter =
    run === undefined
      ? { Name: 'tag-key', Values: [markKey] }
      : { Name: `tag:${markKey}`, Values: [run] };
  const pages = ec2.paginateDescribeNetworkInterfaces(
    { client, pageSize: 100 },
    { Filters: [filter] },
  );
  for await (const page of pages) enis.push(...page.NetworkInterfaces!);
  return enis;
}

/** `known`: names in a form that is not below the mark. */
export async function sweepParameters(
  client: ssm.SSMClient,
  run: string | undefined,
  known: ReadonlySet<string> = new Set(),
): Promise<number> {
  const names = [...known];
  const Path = run === undefined ? `/${markKey}` : `/${markKey}/${run}`;
  const pages = ssm.paginateGetParametersByPath({ client }, { Path, Recursive: true });
  for await (const page of pages) names.push(...page.Parameters!.map(({ Name }) => Name!));
  for (let start = 0; start < names.length; start += 10) {
    const Names = names.slice(start, start + 10);
    await client.send(new ssm.DeleteParametersCommand({ Names }));
  }
  return names.length;
}

export async function sweepLogGroups(
  client: logs.CloudWatchLogsClient,
  run: string | undefined,
): Promise<number> {
  const names: string[] = [];
  const logGroupNamePrefix = `/${markKey}/${run === undefined ? '' : `${run}/`}`;
  const pages = logs.paginateDescribeLogGroups({ client }, { logGroupNamePrefix });
  for await (const page of pages)
    names.push(...page.logGroups!.map((group) => group.logGroupName!));
  for (const logGroupName of names) {
    await client.send(new logs.DeleteLogGroupCommand({ logGroupName }));
  }
  return names.length;
}

/** Errors of AWS alone; one of the wire is passed on. */
async function quiet(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if ((error as { $fault?: string }).$fault === undefined) throw error;
  }
}
