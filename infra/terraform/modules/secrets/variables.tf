variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "secrets" {
  description = "The secrets of the topology."
  type        = any
}

variable "values" {
  description = "Values by name of secret; the default of the topology for the others."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "values_version" {
  description = "Number to raise when values change: Terraform writes them again."
  type        = number
}

variable "kms_key_id" {
  description = "Key that encrypts the secrets; the key of Secrets Manager if null."
  type        = string
  default     = null
}

variable "recovery_window_in_days" {
  description = "Days for which a deleted secret can be restored; 0 deletes it at once."
  type        = number
  default     = 7
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
