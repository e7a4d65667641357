variable "name" {
  description = "Prefix of every name, so that several deployments fit into one account; the topology's name if null."
  type        = string
  default     = null

  validation {
    condition     = var.name == null || can(regex("^[a-z][a-z0-9-]{0,31}$", var.name))
    error_message = "A name takes 1 to 32 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "topology_file" {
  description = "Path of the topology; that of this repository if null."
  type        = string
  default     = null
}

variable "packages" {
  description = "Folder with one zip for each function, as `cargo xtask package` builds them; target/packages/ARCHITECTURE of this repository if null."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor of the functions: x86_64, or arm64, which costs a fifth less. The packages must be built for it."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "secrets" {
  description = "Values of the topology's secrets, such as token_keys and token_jwks. They are in neither plan nor state; the topology's defaults, which hold no key, are taken for the others."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = alltrue([for value in values(var.secrets) : length(value) > 0 && length(value) <= 65536])
    error_message = "A secret takes 1 to 65,536 bytes: leave it out to keep the topology's default."
  }
}

variable "secrets_version" {
  description = "Number to raise when `secrets` change: Terraform cannot see that they did. Functions notice within 5 minutes."
  type        = number
  default     = 1
}

variable "secret_recovery_days" {
  description = "Days for which a deleted secret can be restored: 7 to 30, or 0 to delete it at once."
  type        = number
  default     = 7

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "A secret can be restored for 7 to 30 days, or not at all (0)."
  }
}

variable "parameters" {
  description = "Values of the topology's parameters, such as guests and allowed_origins; defaults for the others."
  type        = map(string)
  default     = {}
}

variable "topic_publishers" {
  description = "ARNs of roles and accounts outside this account that may publish, by topic of the topology, such as { events = [\"arn:aws:iam::111122223333:role/orders\"] }."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue(flatten([for arns in values(var.topic_publishers) : [for arn in arns : can(regex("^arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:", arn))]]))
    error_message = "A publisher is named by the ARN of a role, a user or an account, such as arn:aws:iam::111122223333:role/orders."
  }
}

variable "stage" {
  description = "Name of the stage: the first segment of the WebSocket URL."
  type        = string
  default     = "live"

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,128}$", var.stage))
    error_message = "A stage takes 1 to 128 letters, digits, hyphens and underscores."
  }
}

variable "account_requests_per_second" {
  description = "Requests a second that API Gateway takes of the account in this Region: 10,000 unless AWS has raised it, 2,500 in small Regions. Posts to members and messages of clients share them with every other API of the account."
  type        = number
  default     = 10000

  validation {
    condition     = var.account_requests_per_second >= 1
    error_message = "The account takes at least 1 request a second: give the quota that Service Quotas shows for API Gateway's throttle rate."
  }
}

variable "post_budget_per_second" {
  description = "Posts to members a second of all functions that deliver, 80% of 10,000. Each of their processes gets its share."
  type        = number
  default     = 8000

  validation {
    condition     = var.post_budget_per_second >= 1
    error_message = "Without posts no member receives a message: allow at least 100 a second for each process of the fan-out."
  }
}

variable "throttling_rate_limit" {
  description = "Messages a second that the stage takes from all clients. With the posts and the HTTP API they are account_requests_per_second."
  type        = number
  default     = 1800

  validation {
    condition     = var.throttling_rate_limit >= 1
    error_message = "With a limit of 0 every request is refused with 429: allow at least 1 message a second."
  }
}

variable "throttling_burst_limit" {
  description = "Messages that the stage takes at once."
  type        = number
  default     = 1000

  validation {
    condition     = var.throttling_burst_limit >= 1
    error_message = "With a burst of 0 every request is refused with 429: allow at least 1 message at once."
  }
}

variable "http_api" {
  description = "Whether backends may publish over HTTP: an HTTP API, the function behind it, and the secret request_keys. See docs/publish-over-http.md."
  type        = bool
  default     = false
}

variable "http_throttling_rate_limit" {
  description = "Requests a second that the HTTP API takes from all backends. They count against account_requests_per_second."
  type        = number
  default     = 200

  validation {
    condition     = var.http_throttling_rate_limit >= 1
    error_message = "With a limit of 0 every request is refused with 429: allow at least 1 request a second."
  }
}

variable "http_throttling_burst_limit" {
  description = "Requests that the HTTP API takes at once."
  type        = number
  default     = 200

  validation {
    condition     = var.http_throttling_burst_limit >= 1
    error_message = "With a burst of 0 every request is refused with 429: allow at least 1 request at once."
  }
}

variable "domain" {
  description = "Domain for the clients with its certificate in the same Region, and the Route 53 zone to add it to, if any. Functions post to the default endpoint all the same."
  type = object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  })
  default = null

  validation {
    condition     = var.domain == null || can(regex("^arn:aws[a-z-]*:acm:", var.domain.certificate_arn))
    error_message = "The domain needs the ARN of a certificate in ACM, in the Region of the deployment."
  }
}

variable "memory_mb" {
  description = "Memory by function, instead of the topology's. Processor time grows with it."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for memory in values(var.memory_mb) : memory >= 128 && memory <= 10240])
    error_message = "A function takes 128 to 10,240 MB."
  }
}

variable "reserved_concurrency" {
  description = "Reserved concurrency by function. It keeps places free for a function on an account that others use, and is its limit; an account with a concurrency of 10 allows none."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for places in values(var.reserved_concurrency) : places >= 1 && places <= 10000])
    error_message = "Reserve 1 place or more: 0 would switch the function off."
  }
}

variable "point_in_time_recovery" {
  description = "Whether tables can be restored to any second of the last 35 days."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Whether tables refuse to be deleted. Switch it off and apply before `terraform destroy`."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "log_level" {
  description = "Least level of log lines that Lambda keeps: INFO, DEBUG or TRACE. The functions write none below INFO. Above INFO there would be no metrics: they are log lines."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["INFO", "DEBUG", "TRACE"], var.log_level)
    error_message = "The level is INFO, DEBUG or TRACE: metrics are log lines of level INFO and would be dropped above it."
  }
}

variable "access_logs" {
  description = "Whether API Gateway logs each connect and message, without tokens and addresses. The account needs a logging role: see manage_logging_role."
  type        = bool
  default     = false
}

variable "manage_logging_role" {
  description = "Whether to set the role with which API Gateway writes logs. There is one for each account and Region: leave it to one deployment."
  type        = bool
  default     = false
}

variable "detailed_metrics" {
  description = "Whether CloudWatch counts each route by itself, which costs."
  type        = bool
  default     = false
}

variable "alarms" {
  description = "Whether CloudWatch watches the deployment: one alarm that pages, and one for each queue, stream and function that raises a ticket. See docs/operations/runbook.md."
  type        = bool
  default     = true
}

variable "pages" {
  description = "Email addresses and ARNs of SNS topics that are notified, day and night, when members are not getting messages. AWS asks each address once to confirm."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for receiver in var.pages : can(regex("^(arn:aws[a-z-]*:sns:.+|[^@\\s]+@[^@\\s]+)$", receiver))])
    error_message = "A receiver is an email address or the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:111122223333:pages."
  }
}

variable "tickets" {
  description = "Email addresses and ARNs of SNS topics that are notified of every other alarm."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for receiver in var.tickets : can(regex("^(arn:aws[a-z-]*:sns:.+|[^@\\s]+@[^@\\s]+)$", receiver))])
    error_message = "A receiver is an email address or the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:111122223333:tickets."
  }
}

variable "alarm_thresholds" {
  description = "Values above which alarms are raised: seconds by queue, 60 for others than publications and deliveries (30), publications-held (600) and presence (360); seconds behind a stream; percent of posts; milliseconds of the slowest delivery in 100; resumes in 5 min; percent of invocations; percent of handshakes that fail, and that are refused."
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
  description = "US dollars an hour above which an alarm is raised; no such alarm if null. A room of 1,000 members with one message a second costs about 4."
  type        = number
  default     = 10

  validation {
    condition     = var.cost_budget_per_hour == null || try(var.cost_budget_per_hour > 0, false)
    error_message = "The budget is more than 0 US dollars an hour, or null for no alarm."
  }
}

variable "prices" {
  description = "Prices of the Region that the cost of an hour is estimated with: US dollars for a million messages of API Gateway, write units and read units of DynamoDB."
  type = object({
    messages    = optional(number, 1.00)
    write_units = optional(number, 0.625)
    read_units  = optional(number, 0.125)
  })
  default = {}
}

variable "dashboard" {
  description = "Whether CloudWatch has a dashboard and saved log queries of the deployment."
  type        = bool
  default     = true
}

variable "runbook_url" {
  description = "Address of the runbook, to which each alarm adds its section."
  type        = string
  default     = "docs/operations/runbook.md"
}

variable "kms_key_arn" {
  description = "Key that encrypts tables, secrets, environments and logs; AWS's own keys if null. Its policy must let CloudWatch Logs use it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "Give the ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "topic_kms_key_id" {
  description = "Key that encrypts messages in topics; none if null. Every publisher needs kms:GenerateDataKey and kms:Decrypt on it; for the topics of `pages` and `tickets` that is CloudWatch."
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
