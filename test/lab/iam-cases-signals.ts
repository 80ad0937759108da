// Cases of cloudformation.json and auto-scaling.json.
import { pool, type Row } from './iam-cases.ts';

const stack = (name: string, account = '111122223333'): string =>
  `arn:aws:cloudformation:eu-west-1:${account}:stack/${name}/0a1b2c3d-0000-11ee-8000-000000000000`;

export const stackRows: readonly Row[] = [
  {
    name: 'S1 signal the own stack',
    action: 'cloudformation:SignalResource',
    on: stack('web'),
    allow: 'SignalMyStack',
  },
  { name: 'S2 another stack', action: 'cloudformation:SignalResource', on: stack('web-2') },
  {
    name: 'S3 of another account',
    action: 'cloudformation:SignalResource',
    on: stack('web', '999988887777'),
  },
  { name: 'S4 delete the own', action: 'cloudformation:DeleteStack', on: stack('web') },
];

const group = (name: string): string =>
  `arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:8f6b2c1d-0000-4000-8000-000000000000:autoScalingGroupName/${name}`;

export const groupRows: readonly Row[] = [
  ...['CompleteLifecycleAction', 'RecordLifecycleActionHeartbeat'].flatMap((name): Row[] => {
    const action = `autoscaling:${name}`;
    const on = group('web-group');
    return [
      { name: `G1 ${name} of the own group`, action, on, has: pool, allow: 'AnswerLifecycleHooks' },
      { name: `G2 ${name} of another`, action, on: group('web-group-2'), has: pool },
      { name: `G3 ${name} of a group of another pool`, action, on, has: { 'berth:pool': 'web' } },
      { name: `G4 ${name} of a group without the tag`, action, on },
    ];
  }),
  {
    name: 'G5 terminate an instance of it',
    action: 'autoscaling:TerminateInstanceInAutoScalingGroup',
    on: group('web-group'),
    has: pool,
  },
];
