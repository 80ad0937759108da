// The keys of `signals`: which services of AWS wait for this instance.
import * as v from 'valibot';

const named = (most: number, what: string) =>
  v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(most), v.description(what)));

/** Its pattern in the API. */
const hookName = (what: string) =>
  v.optional(
    v.pipe(
      v.string(),
      v.maxLength(255),
      v.regex(/^[A-Za-z0-9\-_/]+$/, 'must be the name of a lifecycle hook'),
      v.description(what),
    ),
  );

export const signals = v.object({
  timeoutSeconds: v.optional(
    v.pipe(
      v.number(),
      v.minValue(1),
      v.maxValue(604_800),
      v.description(
        'Not ready so long after the start is a failure. Default: only a pool that gave up is one',
      ),
    ),
  ),
  cloudFormation: v.optional(
    v.pipe(
      v.object({
        stack: v.optional(
          v.pipe(
            v.string(),
            v.maxLength(2048),
            v.regex(
              /^([a-zA-Z][-a-zA-Z0-9]*|arn:aws[a-z-]*:[-a-zA-Z0-9:/._+]*)$/,
              'must be the name or the ARN of a stack',
            ),
            v.description('Default: the tag aws:cloudformation:stack-name of the instance'),
          ),
        ),
        resource: named(
          255,
          'Logical id of what has the CreationPolicy. Default: the tag aws:cloudformation:logical-id',
        ),
      }),
      v.description(
        'Signals the stack: SUCCESS when ready, FAILURE where that failed (cloudformation.json)',
      ),
    ),
  ),
  autoScaling: v.optional(
    v.pipe(
      v.object({
        group: named(1600, 'Default: the tag aws:autoscaling:groupName of the instance'),
        launchHook: hookName('Lifecycle hook that is completed when ready'),
        terminateHook: hookName(
          'Lifecycle hook that is completed when the interface was given back',
        ),
        heartbeatSeconds: v.optional(
          v.pipe(
            v.number(),
            v.minValue(10),
            v.maxValue(7200),
            v.description(
              'Between heartbeats while a hook waits: half of its heartbeat timeout at most',
            ),
          ),
          120,
        ),
        abandon: v.optional(
          v.pipe(
            v.boolean(),
            v.description('A failure abandons the launch; else the hook decides at its end'),
          ),
          false,
        ),
      }),
      v.description('Answers the lifecycle hooks of the Auto Scaling group (auto-scaling.json)'),
    ),
  ),
});
