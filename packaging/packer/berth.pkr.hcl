# An AMI with berth installed and enabled, but never started: started, it would claim an ENI for the builder.
variable "package" {
  type        = string
  description = "The .deb or .rpm for this distribution and architecture, of `npm run package`."
}

variable "distribution" {
  type        = string
  default     = "debian-12"
  description = "Or al2023."
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "Or arm64."
}

variable "region" {
  type = string
}

locals {
  # Who publishes the images, and under which names: wiki.debian.org/Cloud/AmazonEC2Image, and the AL2023 user guide.
  bases = {
    debian-12 = {
      owner   = "136693071363"
      name    = { x86_64 = "debian-12-amd64-*", arm64 = "debian-12-arm64-*" }
      user    = "admin"
      install = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y"
    }
    al2023 = {
      owner   = "amazon"
      name    = { x86_64 = "al2023-ami-2023.*-kernel-*-x86_64", arm64 = "al2023-ami-2023.*-kernel-*-arm64" }
      user    = "ec2-user"
      install = "dnf install -q -y"
    }
  }
  builders = { x86_64 = "t3.micro", arm64 = "t4g.micro" }
  base     = local.bases[var.distribution]
}

source "amazon-ebs" "berth" {
  region        = var.region
  ami_name      = "berth-${var.distribution}-${var.architecture}-${formatdate("YYYYMMDDhhmmss", timestamp())}"
  instance_type = local.builders[var.architecture]
  ssh_username  = local.base.user
  source_ami_filter {
    owners      = [local.base.owner]
    filters     = { name = local.base.name[var.architecture], root-device-type = "ebs", virtualization-type = "hvm" }
    most_recent = true
  }
  imds_support = "v2.0"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  tags = { Name = "berth", base = "{{ .SourceAMIName }}" }
}

build {
  sources = ["source.amazon-ebs.berth"]

  provisioner "file" {
    source      = var.package
    destination = "/tmp/${basename(var.package)}"
  }

  provisioner "shell" {
    execute_command = "sudo sh -eux {{ .Path }}"
    inline = [
      "cloud-init status --wait",
      "${local.base.install} /tmp/${basename(var.package)}",
      "rm /tmp/${basename(var.package)}",
      "berth bake",
      "if systemctl is-active --quiet berth; then exit 1; fi",
    ]
  }
}
