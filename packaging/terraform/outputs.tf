output "addresses" {
  value       = { for name, eni in aws_network_interface.pool : name => eni.private_ip }
  description = "The fixed addresses, by the names of the interfaces."
}

output "role" {
  value       = aws_iam_role.instance.name
  description = "Role of the instances."
}
