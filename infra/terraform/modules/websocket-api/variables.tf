variable "name" {
  description = "Name of the API and prefix of every other name."
  type        = string
}

variable "partition" {
  description = "Partition of the account, such as aws."
  type        = string
}

variable "websocket" {
  description = "The WebSocket API of the topology."
  type        = object({ route_selection_expression = string })
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

variable "stage" {
  description = "Name of the stage: the first segment of its URLs."
  type        = string
}

variable "throttling_rate_limit" {
  description = "Messages a second that the stage takes from clients."
  type        = number
}

variable "throttling_burst_limit" {
  description = "Messages that the stage takes at once."
  type        = number
}

variable "detailed_metrics" {
  description = "Whether CloudWatch counts each route by itself."
  type        = bool
  default     = false
}

variable "access_logs" {
  description = "Whether each connect and message is logged."
  type        = bool
  default     = false
}

variable "manage_logging_role" {
  description = "Whether to set the account's role for logs of API Gateway."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days for which access logs are kept."
  type        = number
}

variable "domain" {
  description = "Domain for the clients; none if null."
  type = object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  })
  default = null
}

variable "kms_key_arn" {
  description = "Key that encrypts access logs; CloudWatch's own if null."
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
