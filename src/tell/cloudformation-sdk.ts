// What berth calls of the CloudFormation SDK. Loaded for a signal; by these names the bundle leaves out the rest.
export { CloudFormationClient, SignalResourceCommand } from '@aws-sdk/client-cloudformation';
