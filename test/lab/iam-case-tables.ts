// All cases, by the name of the policy that they are about.
import { baseRows } from './iam-cases-base.ts';
import { standbyRows, takeoverRows } from './iam-cases-ha.ts';
import {
  assumeRows,
  configRows,
  keepRows,
  logsRows,
  reaperRows,
  retentionRows,
} from './iam-cases-other.ts';
import { groupRows, stackRows } from './iam-cases-signals.ts';
import type { Row } from './iam-cases.ts';

export const rowsOf: Readonly<Record<string, readonly Row[]>> = {
  'assume-role': assumeRows,
  'auto-scaling': groupRows,
  base: baseRows,
  cloudformation: stackRows,
  config: configRows,
  keep: keepRows,
  logs: logsRows,
  reaper: reaperRows,
  retention: retentionRows,
  standby: standbyRows,
  takeover: takeoverRows,
};
