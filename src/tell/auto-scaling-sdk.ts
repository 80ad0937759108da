// What berth calls of the Auto Scaling SDK. Loaded for a lifecycle hook; by these names the bundle leaves out the rest.
export {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
