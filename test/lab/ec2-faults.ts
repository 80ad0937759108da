// The errors of the local EC2, with the codes and texts of claim.md section 3 and proof.md section 4.
import { AwsFault } from './service.ts';

const fault = (code: string, message: string, status = 400): AwsFault =>
  new AwsFault(status, code, message);

export const faults = {
  inUse: (eniId: string) => fault('InvalidNetworkInterface.InUse', `Interface: [${eniId}] in use.`),
  currentlyInUse: (eniId: string) =>
    fault('InvalidParameterValue', `Network interface '${eniId}' is currently in use.`),
  indexTaken: (instanceId: string, index: number) =>
    fault(
      'InvalidParameterValue',
      `Instance '${instanceId}' already has an interface attached at device index '${index}'.`,
    ),
  attachmentLimit: (count: number, type: string) =>
    fault('AttachmentLimitExceeded', `Interface count ${count} exceeds the limit for ${type}`),
  otherZone: () =>
    fault(
      'InvalidParameterCombination',
      'You may not attach a network interface to an instance if they are not in the same availability zone',
    ),
  eniAddressLimit: (eniId: string, type: string) =>
    fault(
      'InvalidInterface.IpAddressLimitExceeded',
      `The number of IP addresses of ${eniId} exceeds the limit for ${type}`,
    ),
  addressLimit: (eniId: string) =>
    fault(
      'PrivateIpAddressLimitExceeded',
      `Number of private addresses will exceed limit on interface ${eniId}`,
    ),
  notRunning: (instanceId: string) =>
    fault('IncorrectInstanceState', `Instance is not 'running' or 'stopped': ${instanceId}`),
  wrongState: (instanceId: string, verb: string) =>
    fault(
      'IncorrectInstanceState',
      `The instance '${instanceId}' is not in a state from which it can be ${verb}.`,
    ),
  notPermitted: (message: string) => fault('OperationNotPermitted', message),
  eniNotFound: (id: string) =>
    fault('InvalidNetworkInterfaceID.NotFound', `The networkInterface ID '${id}' does not exist`),
  eniMalformed: (id: string) =>
    fault('InvalidNetworkInterfaceId.Malformed', `Invalid id: "${id}" (expecting "eni-...")`),
  instanceNotFound: (id: string) =>
    fault('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`),
  instanceMalformed: (id: string) =>
    fault('InvalidInstanceID.Malformed', `Invalid id: "${id}" (expecting "i-...")`),
  attachmentNotFound: (id: string) =>
    fault(
      'InvalidAttachmentID.NotFound',
      `The network interface attachment ID '${id}' does not exist`,
    ),
  attachmentMalformed: (id: string) =>
    fault(
      'InvalidNetworkInterfaceAttachmentId.Malformed',
      `Invalid id: "${id}" (expecting "eni-attach-...")`,
    ),
  subnetNotFound: (id: string) =>
    fault('InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`),
  subnetMalformed: (id: string) =>
    fault('InvalidSubnetID.Malformed', `Invalid id: "${id}" (expecting "subnet-...")`),
  /** Of a resource whose tags are meant. */
  unknownId: (id: string) => fault('InvalidID', `The ID '${id}' is not valid`),
  addressInUse: (address: string) =>
    fault('InvalidIPAddress.InUse', `Address ${address} is in use.`),
  alreadyAssigned: (address: string) =>
    fault('Resource.AlreadyAssigned', `Address ${address} is already assigned.`),
  outsideSubnet: (address: string) =>
    fault(
      'InvalidParameterValue',
      `Address ${address} does not fall within the subnet's address range`,
    ),
  noFreeBlocks: (subnetId: string) =>
    fault(
      'InsufficientCidrBlocks',
      `The specified subnet does not have enough free cidr blocks: ${subnetId}`,
    ),
  addressQuota: () =>
    fault('AddressLimitExceeded', 'The maximum number of addresses has been reached.'),
  allocationNotFound: (id: string) =>
    fault('InvalidAllocationID.NotFound', `The allocation ID '${id}' does not exist`),
  associationNotFound: (id: string) =>
    fault('InvalidAssociationID.NotFound', `The association ID '${id}' does not exist`),
  addressNotFound: (publicIp: string) =>
    fault('InvalidAddress.NotFound', `Address '${publicIp}' not found.`),
  alreadyAssociated: (publicIp: string) =>
    fault('Resource.AlreadyAssociated', `resource ${publicIp} is already associated.`),
  manyInterfaces: (instanceId: string) =>
    fault(
      'InvalidInstanceID',
      `There are multiple interfaces attached to instance '${instanceId}'. Please specify an interface ID for the operation instead.`,
    ),
  noFreeAddress: (subnetId: string) =>
    fault('InsufficientFreeAddressesInSubnet', `No free address in ${subnetId}`),
  notAssigned: (eniId: string) =>
    fault(
      'InvalidParameterValue',
      `Some of the specified addresses are not assigned to interface ${eniId}`,
    ),
  reservedTagKey: () =>
    fault('InvalidTagKey.Malformed', "Tag keys starting with 'aws:' are reserved for internal use"),
  emptyTagKey: () => fault('InvalidTagKey.Malformed', 'Tag key cannot be null or empty.'),
  tagLimit: () => fault('TagLimitExceeded', 'More than 50 tags specified'),
  concurrentTagAccess: () =>
    fault(
      'ConcurrentTagAccess',
      'You cannot run simultaneous commands to modify a tag for a specific resource.',
    ),
  /** AWS documents that it fails, and not how: the code is ours. */
  unpaged: () =>
    fault(
      'OperationNotPermitted',
      'The account has too many network interfaces: use pagination or a filter.',
    ),
  throttled: () => fault('RequestLimitExceeded', 'Request limit exceeded.', 503),
  value: (message: string) => fault('InvalidParameterValue', message),
  combination: (message: string) => fault('InvalidParameterCombination', message),
  missing: (name: string) =>
    fault('MissingParameter', `The request must contain the parameter ${name}`),
  tokenMismatch: () =>
    fault(
      'IdempotentParameterMismatch',
      'The client token has been used before with other parameters.',
    ),
  unknownParameter: (name: string) =>
    fault('UnknownParameter', `The parameter ${name} is not recognized`),
  unknownFilter: (name: string) =>
    fault('InvalidParameterValue', `The filter '${name}' is invalid`),
  filterLimit: () => fault('FilterLimitExceeded', 'The maximum number of filters was exceeded'),
  unknownInstanceType: (name: string) =>
    fault('InvalidInstanceType', `The following supplied instance types do not exist: [${name}]`),
  unknownPlacementGroup: (name: string) =>
    fault('InvalidPlacementGroup.Unknown', `The Placement Group '${name}' is unknown.`),
  maxResults: (value: string, most: number) =>
    fault(
      'InvalidMaxResults',
      `Value ( ${value} ) for parameter maxResults is invalid. Expecting 5 to ${most}.`,
    ),
  nextToken: () => fault('InvalidNextToken', 'The token is not valid'),
  paginationToken: () =>
    fault('InvalidPaginationToken', 'The specified pagination token is not valid or is expired.'),
  dryRun: () =>
    fault('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412),
  invalidAction: (action: string) =>
    fault('InvalidAction', `The action ${action} is not valid for this web service.`),
};
