# Roomcast on AWS, from the topology: what `cargo dev` runs on one machine.

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  whole = module.topology.topology

  # Without the HTTP API there are neither the functions that only it invokes, nor the secrets that only these read.
  has_http_api = try(var.http_api || !local.whole.http.optional, false)
  functions = {
    for name, function in local.whole.functions : name => function if local.has_http_api || length(function.triggers.http) == 0
  }
  read_secrets = distinct(flatten([for function in values(local.functions) : [for grant in function.grants.secret : grant.secret]]))
  left_secrets = distinct(flatten([
    for name, function in local.whole.functions : [for grant in function.grants.secret : grant.secret] if !contains(keys(local.functions), name)
  ]))
  topology = merge(local.whole, {
    functions = local.functions
    secrets = {
      for name, secret in local.whole.secrets : name => secret if contains(local.read_secrets, name) || !contains(local.left_secrets, name)
    }
  })

  name       = coalesce(var.name, local.topology.name)
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.name
  partition  = data.aws_partition.current.partition

  # Functions that deliver have a setting for their rate, and post in as many processes as their queues may start.
  posting_functions = sort([
    for name, function in local.topology.functions : name
    if contains([for value in values(function.environment) : try(value.parameter, "")], "posts_per_second")
  ])
  posting_places     = sum(concat([0], [for name in local.posting_functions : local.queue_concurrency[name]]))
  posts_of_one_place = local.posting_places == 0 ? 0 : floor(var.post_budget_per_second / local.posting_places)

  parameters = merge(
    { for name, parameter in local.topology.parameters : name => parameter.default },
    local.posting_places == 0 ? {} : { posts_per_second = tostring(local.posts_of_one_place) },
    var.parameters,
  )

  # Built from the API and not from the stage: the stage needs the routes, and the routes need the functions.
  management_url = "https://${module.websocket_api.api_id}.execute-api.${local.region}.${data.aws_partition.current.dns_suffix}/${var.stage}"
}

module "topology" {
  source = "./modules/topology"

  file = coalesce(var.topology_file, "${path.module}/../topology.yaml")
}

module "tables" {
  source = "./modules/tables"

  name                   = local.name
  tables                 = local.topology.tables
  point_in_time_recovery = var.point_in_time_recovery
  deletion_protection    = var.deletion_protection
  kms_key_arn            = var.kms_key_arn
  tags                   = var.tags
}

module "messaging" {
  source = "./modules/messaging"

  name             = local.name
  partition        = local.partition
  account_id       = local.account_id
  queues           = local.topology.queues
  topics           = local.topology.topics
  topic_publishers = var.topic_publishers
  topic_kms_key_id = var.topic_kms_key_id
  tags             = var.tags
}

module "secrets" {
  source = "./modules/secrets"

  name                    = local.name
  secrets                 = local.topology.secrets
  values                  = var.secrets
  values_version          = var.secrets_version
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
  tags                    = var.tags
}

module "functions" {
  source = "./modules/functions"

  name                 = local.name
  partition            = local.partition
  region               = local.region
  account_id           = local.account_id
  functions            = local.topology.functions
  parameters           = local.parameters
  packages             = local.packages
  architecture         = var.architecture
  memory_mb            = var.memory_mb
  reserved_concurrency = var.reserved_concurrency
  log_retention_days   = var.log_retention_days
  log_level            = var.log_level
  tables               = module.tables.tables
  queues               = module.messaging.queues
  topics               = module.messaging.topics
  secrets              = module.secrets.secrets
  api_id               = module.websocket_api.api_id
  stage                = var.stage
  management_url       = local.management_url
  kms_key_arn          = var.kms_key_arn
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

module "websocket_api" {
  source = "./modules/websocket-api"

  name                   = local.name
  partition              = local.partition
  websocket              = local.topology.websocket
  functions              = local.topology.functions
  invoke_arns            = { for name, function in module.functions.functions : name => function.invoke_arn }
  function_names         = { for name, function in module.functions.functions : name => function.name }
  stage                  = var.stage
  throttling_rate_limit  = var.throttling_rate_limit
  throttling_burst_limit = var.throttling_burst_limit
  detailed_metrics       = var.detailed_metrics
  access_logs            = var.access_logs
  manage_logging_role    = var.manage_logging_role
  log_retention_days     = var.log_retention_days
  domain                 = var.domain
  kms_key_arn            = var.kms_key_arn
  permissions_boundary   = var.permissions_boundary
  tags                   = var.tags
}

module "http_api" {
  source = "./modules/http-api"
  count  = local.has_http_api ? 1 : 0

  name                   = local.name
  functions              = local.topology.functions
  invoke_arns            = { for name, function in module.functions.functions : name => function.invoke_arn }
  function_names         = { for name, function in module.functions.functions : name => function.name }
  throttling_rate_limit  = var.http_throttling_rate_limit
  throttling_burst_limit = var.http_throttling_burst_limit
  detailed_metrics       = var.detailed_metrics
  access_logs            = var.access_logs
  log_retention_days     = var.log_retention_days
  kms_key_arn            = var.kms_key_arn
  tags                   = var.tags
}

module "observability" {
  source = "./modules/observability"

  name                 = local.name
  partition            = local.partition
  account_id           = local.account_id
  region               = local.region
  alarms               = var.alarms
  dashboard            = var.dashboard
  pages                = var.pages
  tickets              = var.tickets
  thresholds           = var.alarm_thresholds
  cost_budget_per_hour = var.cost_budget_per_hour
  prices               = var.prices
  runbook_url          = var.runbook_url
  functions            = local.topology.functions
  queues               = local.topology.queues
  tables               = local.topology.tables
  function_names       = { for name, function in module.functions.functions : name => function.name }
  log_groups           = { for name, function in module.functions.functions : name => function.log_group }
  queue_names          = { for name, queue in module.messaging.queues : name => queue.name }
  queue_urls           = { for name, queue in module.messaging.queues : name => queue.url }
  table_names          = { for name, table in module.tables.tables : name => table.name }
  api_id               = module.websocket_api.api_id
  stage                = var.stage
  topic_kms_key_id     = var.topic_kms_key_id
  tags                 = var.tags
}
