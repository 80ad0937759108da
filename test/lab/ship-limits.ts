// The rules of PutLogEvents as the contestants of `npm run bench:ship` keep them (reference/logs.md section 1).
export const maxBatchBytes = 1_048_576;
export const maxBatchEvents = 10_000;
/** Counted for each event besides its text. */
export const perEventBytes = 26;
