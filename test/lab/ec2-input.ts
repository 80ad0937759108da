// Reads the parameters of an EC2 call: all leaves are strings, and what is wrong has an error of AWS.
import { faults } from './ec2-faults.ts';
import type { TagToDelete } from './ec2-tags.ts';
import type { Tags } from './ec2-world.ts';

export type Ec2Input = {
  text(name: string): string | undefined;
  required(name: string): string;
  integer(name: string): number | undefined;
  flag(name: string): boolean;
  texts(name: string): readonly string[];
  /** Of a structure: `Attachment.DeleteOnTermination`. */
  nested(name: string): Ec2Input | undefined;
  nestedList(name: string): readonly Ec2Input[];
};

/** Each method throws AwsFault. */
export function readInput(input: unknown): Ec2Input {
  const fields = (typeof input === 'object' && input !== null ? input : {}) as Record<
    string,
    unknown
  >;
  const text = (name: string): string | undefined => {
    const value = fields[name];
    if (value === undefined || typeof value === 'string') return value;
    throw faults.value(`Value for parameter ${name} is invalid.`);
  };
  const list = (name: string): readonly unknown[] => {
    const value = fields[name] ?? [];
    if (!Array.isArray(value)) throw faults.value(`Value for parameter ${name} is invalid.`);
    return value;
  };
  return {
    text,
    required: (name) => {
      const value = text(name);
      if (value === undefined || value === '') throw faults.missing(name);
      return value;
    },
    integer: (name) => {
      const value = text(name);
      if (value !== undefined && !/^-?\d+$/.test(value)) {
        throw faults.value(`Value (${value}) for parameter ${name} is invalid.`);
      }
      return value === undefined ? undefined : Number(value);
    },
    flag: (name) => text(name) === 'true',
    texts: (name) => {
      const values = list(name);
      if (values.every((value) => typeof value === 'string')) return values;
      throw faults.value(`Value for parameter ${name} is invalid.`);
    },
    nested: (name) => (fields[name] === undefined ? undefined : readInput(fields[name])),
    nestedList: (name) => list(name).map(readInput),
  };
}

/** The list `Tag` of CreateTags or of a TagSpecification. A tag without a value has the value ''. */
export function readTags(input: Ec2Input): Tags {
  const pairs = input
    .nestedList('Tag')
    .map((tag) => [tag.text('Key') ?? '', tag.text('Value') ?? ''] as const);
  const keys = new Set(pairs.map(([key]) => key));
  if (keys.size < pairs.length) throw faults.value('Duplicate tag key specified.');
  return Object.fromEntries(pairs);
}

/** The list of DeleteTags; undefined: there is none. */
export function readTagsToDelete(input: Ec2Input): readonly TagToDelete[] | undefined {
  const list = input.nestedList('Tag').map((tag) => ({
    key: tag.required('Key'),
    value: tag.text('Value'),
  }));
  return list.length === 0 ? undefined : list;
}
