// Marks on keys of the schema that checkKeys reads.
import * as v from 'valibot';

/** Metadata of a key that the agent knows and berth accepts, but does not do: a warning, never an error. */
export const notDone = { notDone: true } as const;
/** Metadata of a section that the agent leaves open: an unknown key in it is a warning. */
export const open = { open: true } as const;

export const agentKey = v.optional(v.pipe(v.unknown(), v.metadata(notDone)));
