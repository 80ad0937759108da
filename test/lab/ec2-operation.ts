// One EC2 call of the lab: which parameters it knows, and how it runs.
import type { Shape } from './ec2-answers.ts';
import type { IamContext, IamResource } from './ec2-authorization.ts';
import type { Ec2Input } from './ec2-input.ts';
import type { Ec2Model } from './ec2-model.ts';

export type Ec2Call = {
  readonly model: Ec2Model;
  readonly input: Ec2Input;
  /** Throws UnauthorizedOperation, or DryRunOperation where only that was asked. */
  readonly allow: (resources: readonly IamResource[], context?: IamContext) => void;
};

export type Operation = {
  /** Others are an UnknownParameter. */
  readonly parameters: readonly string[];
  readonly run: (call: Ec2Call) => Shape;
};

export const done: Shape = { return: true };
