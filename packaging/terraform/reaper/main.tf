# One for all pools of an account and Region; the same as cloudformation/reaper.yaml.
terraform {
  required_version = ">= 1.5, < 2.0"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.100, < 7.0" }
  }
}

data "aws_partition" "here" {}
data "aws_region" "here" {}
data "aws_caller_identity" "here" {}

resource "aws_sfn_state_machine" "reaper" {
  name_prefix = "berth-reaper-"
  role_arn    = aws_iam_role.machine.arn
  definition  = replace(file("${path.module}/../../reaper.asl.json"), "PARTITION", data.aws_partition.here.partition)
}

resource "aws_iam_role" "machine" {
  name_prefix = "berth-reaper-"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "states.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "machine" {
  role = aws_iam_role.machine.name
  name = "reaper"
  policy = replace(replace(replace(file("${path.module}/../../iam/reaper.json"),
    "PARTITION", data.aws_partition.here.partition), "REGION", data.aws_region.here.id),
  "ACCOUNT", data.aws_caller_identity.here.account_id)
}

resource "aws_cloudwatch_event_rule" "terminated" {
  name_prefix = "berth-reaper-"
  description = "berth - an instance is terminated"
  event_pattern = jsonencode({
    source        = ["aws.ec2"]
    "detail-type" = ["EC2 Instance State-change Notification"]
    detail        = { state = ["terminated"] }
  })
}

resource "aws_cloudwatch_event_target" "reaper" {
  rule     = aws_cloudwatch_event_rule.terminated.name
  arn      = aws_sfn_state_machine.reaper.arn
  role_arn = aws_iam_role.rule.arn
}

resource "aws_iam_role" "rule" {
  name_prefix = "berth-reaper-"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "events.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "rule" {
  role = aws_iam_role.rule.name
  name = "start"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "states:StartExecution", Resource = aws_sfn_state_machine.reaper.arn }]
  })
}
