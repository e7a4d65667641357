# Roomcast as a service that others depend on.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }

  # State that a team shares:
  #
  # backend "s3" {
  #   bucket       = "my-terraform-state"
  #   key          = "roomcast/terraform.tfstate"
  #   region       = "eu-west-1"
  #   encrypt      = true
  #   use_lockfile = true
  # }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Service = "roomcast", Environment = "production" }
  }
}

variable "region" {
  description = "Region of the deployment."
  type        = string
}

variable "domain" {
  description = "Domain for the clients, its certificate and its Route 53 zone."
  type = object({
    name            = string
    certificate_arn = string
    zone_id         = optional(string)
  })
}

variable "token_jwks" {
  description = "Public keys of the identity provider: a JWK set."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "token_keys_version" {
  description = "Number to raise when the keys change."
  type        = number
  default     = 1
}

variable "token_issuer" {
  description = "Issuer that tokens must name."
  type        = string
}

variable "allowed_origins" {
  description = "Web pages that may connect."
  type        = list(string)
}

variable "event_publishers" {
  description = "Roles of backends in other accounts that may publish events."
  type        = list(string)
  default     = []
}

variable "pages" {
  description = "Email addresses and ARNs of SNS topics that are notified, day and night, when members are not getting messages."
  type        = list(string)
  default     = []
}

variable "tickets" {
  description = "Email addresses and ARNs of SNS topics that are notified of every other alarm."
  type        = list(string)
  default     = []
}

module "roomcast" {
  source = "../.."

  domain          = var.domain
  secrets         = { token_jwks = var.token_jwks }
  secrets_version = var.token_keys_version

  parameters = {
    token_issuer    = var.token_issuer
    allowed_origins = join(",", var.allowed_origins)
    guests          = "deny"
  }

  topic_publishers = { events = var.event_publishers }

  pages   = var.pages
  tickets = var.tickets

  # Places of their own on an account that runs other functions, so that a storm of connects takes none of them.
  reserved_concurrency = {
    fanout    = 8
    sequencer = 25
    events    = 30
    presence  = 14
  }

  deletion_protection    = true
  point_in_time_recovery = true
  log_retention_days     = 90

  access_logs         = true
  manage_logging_role = true
}

output "websocket_url" {
  description = "URL for clients."
  value       = module.roomcast.websocket_url
}

output "topic_arns" {
  description = "Topics: backends publish to events and subscribe to activity."
  value       = module.roomcast.topic_arns
}

output "dead_letter_queues" {
  description = "Queues that should be empty."
  value       = [for name, url in module.roomcast.queue_urls : url if endswith(name, "-dead")]
}
