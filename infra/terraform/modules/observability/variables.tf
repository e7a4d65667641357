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

variable "region" {
  description = "Region of the deployment."
  type        = string
}

variable "alarms" {
  description = "Whether there are alarms."
  type        = bool
  default     = true
}

variable "dashboard" {
  description = "Whether there are a dashboard and saved queries."
  type        = bool
  default     = true
}

variable "pages" {
  description = "Email addresses and ARNs of topics that the alarm that pages is sent to."
  type        = list(string)
  default     = []
}

variable "tickets" {
  description = "Email addresses and ARNs of topics that every other alarm is sent to."
  type        = list(string)
  default     = []
}

variable "thresholds" {
  description = "Values above which alarms are raised."
  type = object({
    oldest_message_s           = optional(map(number), {})
    iterator_age_s             = optional(number, 60)
    posts_throttled_percent    = optional(number, 1)
    delivery_p99_ms            = optional(number, 5000)
    resumes_lost               = optional(number, 10)
    function_errors_percent    = optional(number, 1)
    connects_failed_percent    = optional(number, 1)
    handshakes_refused_percent = optional(number, 5)
  })
  default = {}
}

variable "cost_budget_per_hour" {
  description = "US dollars an hour above which an alarm is raised; no such alarm if null."
  type        = number
  default     = 10
}

variable "prices" {
  description = "Prices in US dollars for a million messages of API Gateway, and for a million write and read units of DynamoDB."
  type = object({
    messages    = optional(number, 1.00)
    write_units = optional(number, 0.625)
    read_units  = optional(number, 0.125)
  })
  default = {}
}

variable "runbook_url" {
  description = "Address of the runbook, to which alarms add the section."
  type        = string
  default     = "docs/operations/runbook.md"
}

variable "functions" {
  description = "The functions of the topology."
  type        = any
}

variable "queues" {
  description = "The queues of the topology."
  type        = any
}

variable "tables" {
  description = "The tables of the topology."
  type        = any
}

variable "function_names" {
  description = "Name of every function, by its name in the topology."
  type        = map(string)
}

variable "log_groups" {
  description = "Log group of every function, by its name in the topology."
  type        = map(string)
}

variable "queue_names" {
  description = "Name of every queue, by its name in the topology."
  type        = map(string)
}

variable "queue_urls" {
  description = "URL of every queue, by its name in the topology."
  type        = map(string)
}

variable "table_names" {
  description = "Name of every table, by its name in the topology."
  type        = map(string)
}

variable "api_id" {
  description = "Id of the WebSocket API."
  type        = string
}

variable "stage" {
  description = "Stage of the WebSocket API."
  type        = string
}

variable "topic_kms_key_id" {
  description = "Key that encrypts messages in topics; none if null. Its policy must let CloudWatch use it."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
