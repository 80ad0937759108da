// EC2 calls that give private addresses and prefixes to ENIs, and take them.
import { eniResource } from './ec2-authorization.ts';
import { faults } from './ec2-faults.ts';
import { findEni } from './ec2-lookup.ts';
import { done, type Operation } from './ec2-operation.ts';

export const addressOperations: Readonly<Record<string, Operation>> = {
  AssignPrivateIpAddresses: {
    parameters: [
      'NetworkInterfaceId',
      'PrivateIpAddress',
      'SecondaryPrivateIpAddressCount',
      'AllowReassignment',
      'Ipv4Prefix',
      'Ipv4PrefixCount',
    ],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      const addresses = input.texts('PrivateIpAddress');
      const count = input.integer('SecondaryPrivateIpAddressCount') ?? 0;
      const prefixes = input.texts('Ipv4Prefix');
      const prefixCount = input.integer('Ipv4PrefixCount') ?? 0;
      onlyOneOf([addresses.length, count, prefixes.length, prefixCount]);
      allow([eniResource(model.world, eniId)]);
      const before = findEni(model.world, eniId);
      const after = model.assignAddresses(eniId, {
        addresses,
        count,
        allowReassignment: input.flag('AllowReassignment'),
        prefixes,
        prefixCount,
      });
      return {
        networkInterfaceId: eniId,
        assignedPrivateIpAddressesSet: added(before.ipv4, after.ipv4).map((privateIpAddress) => ({
          privateIpAddress,
        })),
        assignedIpv4PrefixSet: added(before.ipv4Prefixes, after.ipv4Prefixes).map((ipv4Prefix) => ({
          ipv4Prefix,
        })),
      };
    },
  },

  UnassignPrivateIpAddresses: {
    parameters: ['NetworkInterfaceId', 'PrivateIpAddress', 'Ipv4Prefix'],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      const addresses = input.texts('PrivateIpAddress');
      const prefixes = input.texts('Ipv4Prefix');
      if (addresses.length + prefixes.length === 0) throw faults.missing('PrivateIpAddress');
      allow([eniResource(model.world, eniId)]);
      model.unassignAddresses(eniId, addresses, prefixes);
      return done;
    },
  },

  AssignIpv6Addresses: {
    parameters: [
      'NetworkInterfaceId',
      'Ipv6Addresses',
      'Ipv6AddressCount',
      'Ipv6Prefix',
      'Ipv6PrefixCount',
    ],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      const wanted = {
        addresses: input.texts('Ipv6Addresses'),
        addressCount: input.integer('Ipv6AddressCount') ?? 0,
        prefixes: input.texts('Ipv6Prefix'),
        prefixCount: input.integer('Ipv6PrefixCount') ?? 0,
      };
      const { addresses, addressCount, prefixes, prefixCount } = wanted;
      onlyOneOf([addresses.length, addressCount, prefixes.length, prefixCount]);
      allow([eniResource(model.world, eniId)]);
      const before = findEni(model.world, eniId);
      const after = model.assignIpv6(eniId, wanted);
      return {
        networkInterfaceId: eniId,
        assignedIpv6Addresses: added(before.ipv6, after.ipv6),
        assignedIpv6PrefixSet: added(before.ipv6Prefixes, after.ipv6Prefixes),
      };
    },
  },

  UnassignIpv6Addresses: {
    parameters: ['NetworkInterfaceId', 'Ipv6Addresses', 'Ipv6Prefix'],
    run: ({ model, input, allow }) => {
      const eniId = input.required('NetworkInterfaceId');
      const addresses = input.texts('Ipv6Addresses');
      const prefixes = input.texts('Ipv6Prefix');
      if (addresses.length + prefixes.length === 0) throw faults.missing('Ipv6Addresses');
      allow([eniResource(model.world, eniId)]);
      model.unassignIpv6(eniId, { addresses, prefixes });
      return {
        networkInterfaceId: eniId,
        unassignedIpv6Addresses: addresses,
        unassignedIpv6PrefixSet: prefixes,
      };
    },
  },
};

function onlyOneOf(counts: readonly number[]): void {
  if (counts.filter((count) => count > 0).length === 1) return;
  throw faults.combination('Give either addresses, a count of them, prefixes, or a count of them.');
}

function added(before: readonly string[], after: readonly string[]): readonly string[] {
  return after.filter((item) => !before.includes(item));
}
