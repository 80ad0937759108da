// What a subcommand is.
export type Run = (args: readonly string[], signal: AbortSignal) => Promise<number>;

export type Command = {
  readonly summary: string;
  /** Flags beside --help, as in the usage line. */
  readonly flags: readonly (readonly [string, string])[];
  readonly example: string;
  readonly load: () => Promise<Run>;
};
