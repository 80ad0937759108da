variable "pool" {
  type        = string
  default     = "db"
  description = "Value of the tag berth:pool."
  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,64}$", var.pool))
    error_message = "The pool is a name of letters, digits, dots, underscores and hyphens."
  }
}

variable "interfaces" {
  type        = map(object({ subnet_id = string, private_ip = optional(string) }))
  description = "The ENIs by a name of yours; without private_ip the subnet gives one. An instance each."
}

variable "image_id" {
  type        = string
  description = "AMI with berth baked in (docs/bake.md)."
}

variable "instance_type" {
  type        = string
  default     = "t3.micro"
  description = "Of the architecture of the AMI; at least two ENIs."
}

variable "security_group_ids" {
  type        = list(string)
  description = "Of the ENIs and of the instances."
}

variable "managed_policy_arns" {
  type        = list(string)
  default     = []
  description = "More policies for the role of the instances."
}
