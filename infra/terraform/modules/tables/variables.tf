variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "tables" {
  description = "The tables of the topology."
  type        = any
}

variable "point_in_time_recovery" {
  description = "Whether tables can be restored to any second of the last 35 days."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Whether tables refuse to be deleted."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Key that encrypts the tables; the key that DynamoDB owns if null."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
