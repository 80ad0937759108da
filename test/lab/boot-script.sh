#!/usr/bin/env bash
# berth's boot as an operator would script it: bash, curl for IMDSv2, the AWS CLI and iproute2, all of them Debian's.
# It claims, attaches and routes. It ships no logs, survives no reboot, and gives up where berth tries again.
set -euo pipefail

imds() {
  curl -fsS --max-time 5 -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/$1"
}

# Debian's awscli 2.9 does not know AWS_ENDPOINT_URL, which is set in the lab alone.
call() {
  aws --region "$region" --output text ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"
}

field() {
  sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"
}

token=$(curl -fsS --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' \
  http://169.254.169.254/latest/api/token)
document=$(imds dynamic/instance-identity/document)
instance=$(field instanceId <<<"$document")
region=$(field region <<<"$document")
zone=$(field availabilityZone <<<"$document")
owner=arn:aws:ec2:$region:$(field accountId <<<"$document"):instance/$instance
primary=meta-data/network/interfaces/macs/$(imds meta-data/mac)
primary_subnet=$(imds "$primary/subnet-id")

pool=$(call ssm get-parameter --name /berth/config --query Parameter.Value | field pool)

enis=$(call ec2 describe-network-interfaces \
  --filters "Name=tag:berth:pool,Values=$pool" Name=status,Values=available "Name=availability-zone,Values=$zone" \
  --query 'NetworkInterfaces[].[NetworkInterfaceId,MacAddress,PrivateIpAddress,SubnetId]')
eni=
while read -r candidate mac address subnet; do
  call ec2 create-tags --resources "$candidate" \
    --tags "Key=berth:owner,Value=$owner" "Key=berth:claim,Value=1:$(</proc/sys/kernel/random/uuid)" || continue
  call ec2 attach-network-interface --network-interface-id "$candidate" \
    --instance-id "$instance" --device-index 1 >/dev/null || continue
  eni=$candidate
  break
done <<<"$enis"
[ -n "$eni" ] || { echo "no free ENI in pool $pool" >&2; exit 1; }

until [ "$(call ec2 describe-network-interfaces --network-interface-ids "$eni" \
  --query 'NetworkInterfaces[].Attachment.Status')" = attached ]; do sleep 0.5; done
until device=$(ip -o link | sed -n "s/^[0-9]*: \([^:@]*\).*ether $mac .*/\1/p") && [ -n "$device" ]; do
  sleep 0.1
done

if [ "$subnet" = "$primary_subnet" ]; then
  cidr=$(imds "$primary/subnet-ipv4-cidr-block")
else
  cidr=$(call ec2 describe-subnets --subnet-ids "$subnet" --query 'Subnets[].CidrBlock')
fi
base=${cidr%/*}
gateway=${base%.*}.$((${base##*.} + 1))
echo 2 >"/proc/sys/net/ipv4/conf/$device/rp_filter"
echo 2 >"/proc/sys/net/ipv4/conf/$device/arp_announce"
ip -batch - <<EOF
route replace unreachable default metric 4294967295 table 20001 proto kernel
rule add priority 9500 from $address lookup 20001 protocol kernel
rule add priority 9500 oif $device lookup 20001 protocol kernel
link set dev $device mtu 9001 up
addr replace $address/${cidr#*/} dev $device noprefixroute
route replace $cidr dev $device src $address scope link table 20001 proto kernel
route replace default via $gateway dev $device src $address table 20001 proto kernel
EOF
