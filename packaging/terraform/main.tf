# A pool of ENIs and the Auto Scaling group whose instances claim them; the same as cloudformation/pool.yaml, but that an
# instance which is not ready in time does not get into service, and is replaced: Terraform knows no CreationPolicy.
locals {
  group = "berth-${var.pool}"
}

resource "aws_network_interface" "pool" {
  for_each        = var.interfaces
  description     = "berth pool ${var.pool}, ${each.key}"
  subnet_id       = each.value.subnet_id
  private_ips     = each.value.private_ip == null ? null : [each.value.private_ip]
  security_groups = var.security_group_ids
  tags            = { "berth:pool" = var.pool }
  # berth attaches it and writes its claim into these tags.
  lifecycle { ignore_changes = [attachment, tags["berth:owner"], tags["berth:claim"]] }
}

resource "aws_cloudwatch_log_group" "logs" {
  name              = "/berth/${var.pool}"
  retention_in_days = 7
}

resource "aws_launch_template" "instance" {
  name_prefix            = "berth-"
  image_id               = var.image_id
  instance_type          = var.instance_type
  vpc_security_group_ids = var.security_group_ids
  iam_instance_profile { arn = aws_iam_instance_profile.instance.arn }
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "enabled"
  }
  user_data = base64encode(templatefile("${path.module}/user-data.yaml.tftpl", {
    pool = var.pool, log_group = aws_cloudwatch_log_group.logs.name, group = local.group
  }))
}

resource "aws_autoscaling_group" "instances" {
  name                = local.group
  min_size            = length(var.interfaces)
  max_size            = length(var.interfaces)
  vpc_zone_identifier = distinct([for eni in var.interfaces : eni.subnet_id])
  suspended_processes = ["AZRebalance"]
  launch_template {
    id      = aws_launch_template.instance.id
    version = aws_launch_template.instance.latest_version
  }
  availability_zone_distribution { capacity_distribution_strategy = "balanced-only" }
  # In service when berth is ready, which it says itself.
  initial_lifecycle_hook {
    name                 = "berth-ready"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = 600
    default_result       = "ABANDON"
  }
  # A new instance finds no ENI before an old one is gone.
  instance_refresh {
    strategy = "Rolling"
    preferences { min_healthy_percentage = 50 }
  }
  dynamic "tag" {
    for_each = { "berth:pool" = var.pool, Name = "berth ${var.pool}" }
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }
  # On deletion the instances go first, and set the ENIs free.
  depends_on = [aws_network_interface.pool, aws_iam_role_policy.packaged]
}
