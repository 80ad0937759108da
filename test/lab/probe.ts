// A probe: one question to an AWS or what plays one, and its answer in a form that can be compared.
import type { Ground } from './probe-ground.ts';

export type Answer = {
  /** `400 InvalidParameterValue`, `200 {"status":"in-use"}`; nothing in it differs between two runs. */
  readonly said: string;
  /** The message of an error. */
  readonly text: string | undefined;
};

export type Probe = {
  readonly name: string;
  /** Creates and changes nothing. */
  readonly reads: boolean;
  /** Throws NotAsked where the ground lacks what it takes. */
  ask(ground: Ground): Promise<Answer>;
};

/** The ground cannot answer: a missing second instance, say. */
export class NotAsked extends Error {}

/** Of probes that create nothing. */
export function reading(
  topic: string,
  questions: Readonly<Record<string, Probe['ask']>>,
): readonly Probe[] {
  return Object.entries(questions).map(([name, ask]) => ({
    name: `${topic}: ${name}`,
    reads: true,
    ask,
  }));
}

/** Of probes that create what they ask about. */
export function changing(
  topic: string,
  questions: Readonly<Record<string, Probe['ask']>>,
): readonly Probe[] {
  return reading(topic, questions).map((probe) => ({ ...probe, reads: false }));
}

/** `tell`: what matters of the output. Throws what is no answer: a refused connection, a mistake of the probe. */
export async function answerOf<T>(
  call: Promise<T>,
  tell: (output: T) => unknown = () => undefined,
): Promise<Answer> {
  let output: T;
  try {
    output = await call;
  } catch (error) {
    return refusal(error);
  }
  const told = tell(output);
  return {
    said: told === undefined ? '200' : `200 ${JSON.stringify(told)}`,
    text: undefined,
  };
}

/** What was found in the end, by calls that must not fail. */
export function found(value: unknown): Answer {
  return { said: `200 ${JSON.stringify(value)}`, text: undefined };
}

type Refused = Partial<{
  name: string;
  message: string;
  $fault: string;
  $metadata: { httpStatusCode?: number };
  $response: { statusCode?: number };
}>;

function refusal(error: unknown): Answer {
  const { name, message, $fault, $metadata, $response } = error as Refused;
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  if (status === undefined) throw error;
  const isOfAws = $fault !== undefined && !/^(Unknown|Error$|SyntaxError$|\d)/.test(name ?? '');
  return isOfAws
    ? { said: `${status} ${name}`, text: message }
    : { said: `${status} not an AWS answer`, text: undefined };
}
