variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "functions" {
  description = "The functions of the topology."
  type        = any
}

variable "invoke_arns" {
  description = "Invoke ARN of every function."
  type        = map(string)
}

variable "function_names" {
  description = "Name in Lambda of every function."
  type        = map(string)
}

variable "throttling_rate_limit" {
  description = "Requests a second that the stage takes from all backends."
  type        = number
}

variable "throttling_burst_limit" {
  description = "Requests that the stage takes at once."
  type        = number
}

variable "detailed_metrics" {
  description = "Whether CloudWatch counts each route by itself."
  type        = bool
  default     = false
}

variable "access_logs" {
  description = "Whether each request is logged."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days for which access logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts access logs; CloudWatch's own if null."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
