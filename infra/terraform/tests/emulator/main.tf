# The whole deployment at an emulator of AWS on this machine.

terraform {
  required_version = ">= 1.11"

  # tests/run says where the state is.
  backend "local" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

variable "endpoint" {
  description = "Address of the emulator, such as http://127.0.0.1:5000."
  type        = string

  validation {
    condition     = startswith(var.endpoint, "http://127.0.0.1:")
    error_message = "The emulator runs on this machine: http://127.0.0.1:PORT."
  }
}

variable "topology_file" {
  description = "Path of the topology."
  type        = string
}

variable "packages" {
  description = "Folder with one zip for each function."
  type        = string
}

variable "mistakes" {
  description = "Variables with wrong values: the plan has to refuse them."
  type        = any
  default     = {}
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "emulated"
  secret_key                  = "emulated"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = false
  max_retries                 = 1

  endpoints {
    apigateway     = var.endpoint
    apigatewayv2   = var.endpoint
    cloudwatch     = var.endpoint
    cloudwatchlogs = var.endpoint
    dynamodb       = var.endpoint
    events         = var.endpoint
    iam            = var.endpoint
    lambda         = var.endpoint
    secretsmanager = var.endpoint
    servicequotas  = var.endpoint
    sns            = var.endpoint
    sqs            = var.endpoint
    sts            = var.endpoint
  }
}

module "roomcast" {
  source = "../.."

  topology_file        = var.topology_file
  packages             = try(var.mistakes.packages, var.packages)
  secrets              = { token_keys = "{\"one\":\"c2VjcmV0IHRoYXQgc3RhbmRzIGluIG5vIHN0YXRlIGF0IGFsbA\"}" }
  secret_recovery_days = 0
  deletion_protection  = false
  access_logs          = true
  http_api             = true
  parameters           = try(var.mistakes.parameters, { activity = "room_occupied" })

  architecture           = try(var.mistakes.architecture, "x86_64")
  memory_mb              = try(var.mistakes.memory_mb, {})
  reserved_concurrency   = try(var.mistakes.reserved_concurrency, {})
  topic_publishers       = try(var.mistakes.topic_publishers, {})
  post_budget_per_second = try(var.mistakes.post_budget_per_second, 8000)
  throttling_rate_limit  = try(var.mistakes.throttling_rate_limit, 1800)

  tags = { Project = "roomcast" }
}

output "roomcast" {
  description = "Every output of the deployment."
  value       = module.roomcast
}
