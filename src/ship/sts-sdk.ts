// What berth calls of the STS SDK. Loaded where a role is assumed; by these names the bundle leaves out the rest.
export { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
