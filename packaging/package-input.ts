// What a package is made of.
import type { Entry } from './contents.ts';
import type { Arch } from './runtime.ts';

export type PackageInput = {
  readonly arch: Arch;
  readonly version: string;
  /** SPDX expression. */
  readonly licence: string;
  readonly entries: readonly Entry[];
  /** The time that everything in the package bears. */
  readonly epochSeconds: number;
  /** A folder for intermediate files. */
  readonly work: string;
  /** Where the package goes. */
  readonly out: string;
};
