// What an examination finds.

/** `unknown`: it could not be asked, which another finding explains. */
export type Result = 'ok' | 'warning' | 'failure' | 'unknown';

export type Finding = {
  /** `imds`, `role`, `clock`, ... */
  readonly check: string;
  readonly result: Result;
  /** One line. */
  readonly message: string;
  /** What to do, exactly; undefined: nothing. */
  readonly fix: string | undefined;
};

/** What is wrong has a fix. */
export type Report = {
  (result: 'failure' | 'warning', message: string, fix: string): Finding;
  (result: 'ok' | 'unknown', message: string, fix?: string): Finding;
};

export function reporter(check: string): Report {
  return (result: Result, message: string, fix?: string) => ({ check, result, message, fix });
}
