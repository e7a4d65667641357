variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "partition" {
  description = "Partition of the account, such as aws."
  type        = string
}

variable "region" {
  description = "Region of the deployment."
  type        = string
}

variable "account_id" {
  description = "The account, 12 digits."
  type        = string
}

variable "functions" {
  description = "The functions of the topology."
  type        = any
}

variable "parameters" {
  description = "Values of the topology's parameters."
  type        = map(string)
}

variable "packages" {
  description = "Folder with one zip for each binary."
  type        = string
}

variable "architecture" {
  description = "Processor of the functions: x86_64 or arm64."
  type        = string
}

variable "memory_mb" {
  description = "Memory by function, instead of the topology's."
  type        = map(number)
  default     = {}
}

variable "reserved_concurrency" {
  description = "Reserved concurrency by function, instead of the topology's."
  type        = map(number)
  default     = {}
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
}

variable "log_level" {
  description = "Least level of the functions' log lines: TRACE, DEBUG or INFO."
  type        = string
}

variable "tables" {
  description = "Name, ARN and stream ARN of every table."
  type        = any
}

variable "queues" {
  description = "URL and ARN of every queue."
  type        = any
}

variable "topics" {
  description = "ARN of every topic."
  type        = any
}

variable "secrets" {
  description = "Name and ARN of every secret."
  type        = any
}

variable "api_id" {
  description = "Id of the WebSocket API."
  type        = string
}

variable "stage" {
  description = "Stage of the WebSocket API."
  type        = string
}

variable "management_url" {
  description = "Endpoint of the management API, with its stage."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts environments, logs and data; AWS's own keys if null."
  type        = string
  default     = null
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds every role; none if null."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
