// All probes, in the order in which they are asked.
import { accessProbes } from './probe-access.ts';
import { attachProbes } from './probe-attach.ts';
import { describeProbes } from './probe-describe.ts';
import { interfaceProbes } from './probe-interfaces.ts';
import { logsProbes } from './probe-logs.ts';
import { putLogEventsProbes } from './probe-put-log-events.ts';
import { ssmProbes } from './probe-ssm.ts';
import { storyProbes } from './probe-story.ts';
import { tagProbes } from './probe-tags.ts';
import type { Probe } from './probe.ts';

export const probes: readonly Probe[] = [
  ...storyProbes,
  ...attachProbes,
  ...interfaceProbes,
  ...describeProbes,
  ...tagProbes,
  // Before moto has forgotten a parameter: then it answers some calls with a broken page.
  ...accessProbes,
  ...ssmProbes,
  ...logsProbes,
  ...putLogEventsProbes,
];
