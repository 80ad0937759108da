// What berth calls of the Parameter Store SDK. Loaded with the first call; by these names the bundle leaves out the rest.
export {
  GetParameterCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
