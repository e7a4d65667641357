output "secrets" {
  description = "Name and ARN of every secret, by its name in the topology."
  value = {
    for name, secret in aws_secretsmanager_secret.this : name => {
      name = secret.name
      arn  = secret.arn
    }
  }
}
