output "topology" {
  description = "The topology with every default filled in."
  value       = local.topology
}
