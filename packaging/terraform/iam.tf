# The role of the instances: base.json, logs.json and auto-scaling.json of packaging/iam.
data "aws_partition" "here" {}
data "aws_region" "here" {}
data "aws_caller_identity" "here" {}

locals {
  partition = data.aws_partition.here.partition
  region    = data.aws_region.here.id
  account   = data.aws_caller_identity.here.account_id
}

resource "aws_iam_role" "instance" {
  name_prefix = "berth-"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_instance_profile" "instance" {
  name_prefix = "berth-"
  role        = aws_iam_role.instance.name
}

resource "aws_iam_role_policy" "packaged" {
  for_each = toset(["auto-scaling", "base", "logs"])
  role     = aws_iam_role.instance.name
  name     = each.key
  # LOG_GROUPS before GROUP.
  policy = replace(replace(replace(replace(replace(replace(file("${path.module}/../iam/${each.key}.json"),
    "PARTITION", local.partition), "REGION", local.region), "ACCOUNT", local.account),
  "POOL", var.pool), "LOG_GROUPS", "${aws_cloudwatch_log_group.logs.name}:*"), "GROUP", local.group)
}

resource "aws_iam_role_policy_attachment" "more" {
  for_each   = toset(var.managed_policy_arns)
  role       = aws_iam_role.instance.name
  policy_arn = each.value
}
