// What several sections of the schema share: marks on keys, which checkKeys reads, and the role to send with.
import * as v from 'valibot';

/** Metadata of a key that the agent knows and berth accepts, but does not do: a warning, never an error. */
export const notDone = { notDone: true } as const;
/** Metadata of a section that the agent leaves open: an unknown key in it is a warning. */
export const open = { open: true } as const;

/** `what`: a sentence without its dot. */
export const roleToAssume = (what: string) =>
  v.optional(
    v.object({
      role_arn: v.optional(
        v.pipe(
          v.string(),
          v.maxLength(2048),
          v.regex(
            /^arn:[a-z][a-z0-9-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/,
            'must be the ARN of an IAM role',
          ),
          v.description(what),
        ),
      ),
    }),
  );

export const agentKey = v.optional(v.pipe(v.unknown(), v.metadata(notDone)));
