# Roomcast with every default: enough to try it, and to remove it again.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  description = "Region of the deployment."
  type        = string
  default     = "eu-west-1"
}

variable "token_keys" {
  description = "Keys that tokens are signed with: {\"key id\":\"base64url of at least 32 bytes\"}."
  type        = string
  ephemeral   = true
  sensitive   = true
}

module "roomcast" {
  source = "../.."

  secrets    = { token_keys = var.token_keys }
  parameters = { guests = "allow", allowed_origins = "*" }

  # So that `terraform destroy` leaves nothing behind.
  deletion_protection    = false
  point_in_time_recovery = false
  secret_recovery_days   = 0
  log_retention_days     = 1
}

output "websocket_url" {
  description = "URL for clients."
  value       = module.roomcast.websocket_url
}

output "management_endpoint" {
  description = "Endpoint of the management API, for `cargo xtask conformance`."
  value       = module.roomcast.management_endpoint
}

output "wscat" {
  description = "Command that opens a connection from a terminal."
  value       = module.roomcast.wscat
}
