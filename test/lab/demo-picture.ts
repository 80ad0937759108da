// The picture of the demo's VPC.
export const picture = `
                     VPC 10.0.0.0/16, built from network namespaces on this machine

   subnet-a 10.0.1.0/24                     router                     subnet-b 10.0.2.0/24
  +--------------------------+     +------------------------+     +--------------------------+
  | instance A     10.0.1.10 |-----| drops every frame      |-----| client far    10.0.2.100 |
  | instance B     10.0.1.11 |-----| whose source address   |     +--------------------------+
  | client near   10.0.1.100 |-----| is not of the ENI that |
  |                          |     | it came from, as a VPC |-----  IMDSv2  169.254.169.254
  | pool "db": one ENI       |     | does; counts them      |-----  EC2, SSM, Logs 10.0.255.10
  |   eni-db1      10.0.1.50 |.....|                        |
  +--------------------------+     +------------------------+
     the ENI is in the subnet of A's primary: the hard case, since the
     kernel would answer for 10.0.1.50 by the primary interface
`;
