# Secrets Manager: functions read the values at start and again when keys are rotated. A value is never in an
# environment variable, a plan or the state: Terraform writes it and does not read it back.

resource "aws_secretsmanager_secret" "this" {
  for_each = var.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value.description
  kms_key_id              = var.kms_key_id
  recovery_window_in_days = var.recovery_window_in_days

  tags = var.tags
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = var.secrets

  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = lookup(var.values, each.key, each.value.default)
  secret_string_wo_version = var.values_version
}
