variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "partition" {
  description = "Partition of the account, such as aws."
  type        = string
}

variable "account_id" {
  description = "The account, 12 digits."
  type        = string
}

variable "queues" {
  description = "The queues of the topology."
  type        = any
}

variable "topics" {
  description = "The topics of the topology."
  type        = any
}

variable "topic_publishers" {
  description = "ARNs of roles and accounts outside this account that may publish, by topic of the topology."
  type        = map(list(string))
  default     = {}
}

variable "topic_kms_key_id" {
  description = "Key that encrypts messages in topics; none if null."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
