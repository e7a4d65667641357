# Plans with a mocked provider: everything in the topology is there, and nothing else.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }

  mock_data "aws_partition" {
    defaults = {
      partition  = "aws"
      dns_suffix = "amazonaws.com"
    }
  }

  mock_data "aws_servicequotas_service_quota" {
    defaults = { value = 1000 }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked" }
  }

  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws:lambda:eu-west-1:123456789012:function:mocked"
      invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/mocked/invocations"
    }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = {
      arn        = "arn:aws:dynamodb:eu-west-1:123456789012:table/mocked"
      stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/mocked/stream/2026-01-01T00:00:00.000"
    }
  }

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-west-1:123456789012:mocked"
      url = "https://sqs.eu-west-1.amazonaws.com/123456789012/mocked"
    }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:mocked" }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "mocked"
      execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:mocked"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:mocked" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:mocked" }
  }

  mock_resource "aws_cloudwatch_composite_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:mocked" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-west-1:123456789012:rule/mocked" }
  }
}

variables {
  secrets = { token_keys = "{}" }
}

run "everything_in_the_topology_is_planned" {
  command = apply

  variables {
    http_api = true
  }

  assert {
    condition     = keys(module.functions.functions) == keys(module.topology.topology.functions)
    error_message = "Every function of the topology is one function of Lambda."
  }

  assert {
    condition     = keys(output.queue_urls) == keys(module.topology.topology.queues)
    error_message = "Every queue of the topology is one queue of SQS."
  }

  assert {
    condition     = keys(output.table_names) == keys(module.topology.topology.tables)
    error_message = "Every table of the topology is one table of DynamoDB."
  }

  assert {
    condition     = keys(output.topic_arns) == keys(module.topology.topology.topics)
    error_message = "Every topic of the topology is one topic of SNS."
  }

  assert {
    condition     = output.management_endpoint == "https://mocked.execute-api.eu-west-1.amazonaws.com/live"
    error_message = "Functions post to the default endpoint of the API, with the stage."
  }

  assert {
    condition     = output.page_alarm_name == "roomcast-members-are-not-getting-messages" && output.alarm_names["reaper-silent"] == "roomcast-reaper-silent"
    error_message = "The deployment is watched unless `alarms` is false."
  }

  assert {
    condition     = module.functions.environments["fanout"]["ROOMS_TABLE"] == "roomcast-rooms"
    error_message = "A reference to a table becomes its name."
  }

  assert {
    condition     = module.functions.environments["authorizer"]["TOKEN_KEYS_SECRET"] == "roomcast/token_keys"
    error_message = "A reference to a secret becomes its name, never its value."
  }

  assert {
    condition     = alltrue([for statements in values(output.statements) : alltrue([for statement in statements : !contains(statement.Resource, "*")])])
    error_message = "No role has a wildcard for a resource."
  }

  assert {
    condition     = alltrue([for statements in values(output.statements) : alltrue(flatten([for statement in statements : [for action in statement.Action : !strcontains(action, "*")]]))])
    error_message = "No role has a wildcard for an action."
  }
}

run "without_the_http_api_there_is_nothing_of_it" {
  command = apply

  assert {
    condition     = length(module.http_api) == 0 && output.http_api_url == null
    error_message = "The HTTP API is there only when it is asked for."
  }

  assert {
    condition     = setsubtract(keys(module.topology.topology.functions), keys(output.function_names)) == toset(["publish-api"])
    error_message = "Only the function behind the HTTP API is left out."
  }

  assert {
    condition     = join(",", keys(output.secret_names)) == "token_jwks,token_keys"
    error_message = "The secret that only this function reads is left out."
  }
}

run "the_http_api_has_the_routes_of_the_topology_and_limits" {
  command = apply

  variables {
    http_api                    = true
    http_throttling_rate_limit  = 9
    http_throttling_burst_limit = 4
  }

  assert {
    condition     = join(",", keys(module.http_api[0].routes)) == join(",", sort(module.topology.topology.functions["publish-api"].triggers.http[0].routes))
    error_message = "Every route of the topology is one route of the HTTP API."
  }

  assert {
    condition     = module.http_api[0].throttling.rate_limit == 9 && module.http_api[0].throttling.burst_limit == 4
    error_message = "The stage has the limits that were asked for."
  }

  assert {
    condition     = module.http_api[0].invokers["POST /rooms/{room}/publications"] == "arn:aws:execute-api:eu-west-1:123456789012:mocked/*/POST/rooms/*/publications"
    error_message = "A route may invoke its function, and no other path may."
  }

  assert {
    condition     = module.functions.environments["publish-api"]["REQUEST_KEYS_SECRET"] == "roomcast/request_keys"
    error_message = "The function reads the keys of signed requests."
  }

  assert {
    condition = anytrue([
      for statement in output.statements["publish-api"] : contains(statement.Action, "sns:Publish")
    ])
    error_message = "The function may order that connections are closed."
  }
}

run "the_http_api_counts_against_the_account" {
  command = plan

  variables {
    http_api                   = true
    http_throttling_rate_limit = 201
  }

  expect_failures = [terraform_data.checks]
}

run "an_http_api_that_the_topology_does_not_have_is_refused" {
  command = plan

  variables {
    http_api      = true
    topology_file = "tests/fixtures/one-more.yaml"
  }

  expect_failures = [terraform_data.checks]
}

run "every_process_of_the_fan_out_gets_its_share_of_the_budget" {
  command = apply

  variables {
    post_budget_per_second      = 70001
    account_requests_per_second = 100000
  }

  assert {
    condition     = module.functions.environments["fanout"]["POSTS_PER_SECOND"] == "8750"
    error_message = "The budget is divided by the places of the fan-out's queues, 6 and 2, and rounded down."
  }
}

run "the_default_budget_is_the_topologys_own_rate" {
  command = apply

  assert {
    condition     = module.functions.environments["fanout"]["POSTS_PER_SECOND"] == module.topology.topology.parameters["posts_per_second"].default
    error_message = "80% of 10,000 posts a second is what the topology has without Terraform."
  }
}

run "a_rate_above_the_budget_is_refused" {
  command = plan

  variables {
    parameters = { posts_per_second = "1001" }
  }

  expect_failures = [terraform_data.checks]
}

run "a_budget_above_the_account_is_refused" {
  command = plan

  variables {
    post_budget_per_second = 8201
  }

  expect_failures = [terraform_data.checks]
}

run "a_budget_that_is_too_small_for_the_places_is_refused" {
  command = plan

  variables {
    post_budget_per_second = 799
  }

  expect_failures = [terraform_data.checks]
}

run "one_more_of_each_in_the_topology_is_one_more_of_each_in_the_plan" {
  command = apply

  variables {
    topology_file = "tests/fixtures/one-more.yaml"
  }

  assert {
    condition     = keys(output.function_names) == ["extra", "greeter", "guard"]
    error_message = "The function `extra` is planned."
  }

  assert {
    condition     = keys(module.websocket_api.routes) == ["$connect", "$default", "shout"]
    error_message = "The route `shout` is planned."
  }

  assert {
    condition     = keys(output.queue_urls) == ["shouts", "shouts-dead"]
    error_message = "The queue `shouts` and its dead-letter queue are planned."
  }

  assert {
    condition     = contains(keys(module.functions.event_sources), "extra/shouts") && contains(keys(module.functions.event_sources), "extra/things")
    error_message = "Both event sources of the function are planned."
  }

  assert {
    condition = anytrue([
      for statement in output.statements["extra"] :
      contains(statement.Action, "sqs:ReceiveMessage") && contains(statement.Action, "sqs:DeleteMessage") && contains(statement.Action, "sqs:GetQueueAttributes")
    ])
    error_message = "The function may read the queue that triggers it."
  }

  assert {
    condition     = anytrue([for statement in output.statements["extra"] : contains(statement.Action, "dynamodb:GetRecords")])
    error_message = "The function may read the stream that triggers it."
  }
}

run "limits_of_the_stage_are_never_zero" {
  command = apply

  variables {
    throttling_rate_limit  = 7
    throttling_burst_limit = 3
  }

  assert {
    condition     = module.websocket_api.throttling.rate_limit == 7 && module.websocket_api.throttling.burst_limit == 3
    error_message = "The stage has the limits that were asked for."
  }

  assert {
    condition = jsonencode(module.websocket_api.throttling.routes) == jsonencode({
      for route in ["auth", "history", "who"] : route => { burst_limit = 500, rate_limit = 900 }
    })
    error_message = "Routes have the limits of the topology."
  }
}

run "a_limit_of_zero_is_refused" {
  command = plan

  variables {
    throttling_rate_limit       = 0
    throttling_burst_limit      = 0
    http_throttling_rate_limit  = 0
    http_throttling_burst_limit = 0
    post_budget_per_second      = 0
    account_requests_per_second = 0
  }

  expect_failures = [
    var.throttling_rate_limit,
    var.throttling_burst_limit,
    var.http_throttling_rate_limit,
    var.http_throttling_burst_limit,
    var.post_budget_per_second,
    var.account_requests_per_second,
  ]
}

run "bad_names_and_numbers_are_refused" {
  command = plan

  variables {
    name                 = "Room Cast"
    architecture         = "riscv"
    stage                = "v1/live"
    log_level            = "ERROR"
    log_retention_days   = 31
    secret_recovery_days = 1
    memory_mb            = { fanout = 64 }
    reserved_concurrency = { fanout = 0 }
    kms_key_arn          = "alias/mine"
    topic_publishers     = { events = ["somebody"] }
    pages                = ["the operator"]
    tickets              = ["arn:aws:sqs:eu-west-1:123456789012:tickets"]
    cost_budget_per_hour = 0
    domain               = { name = "chat.example.com", certificate_arn = "mine" }
  }

  expect_failures = [
    var.name,
    var.architecture,
    var.stage,
    var.log_level,
    var.log_retention_days,
    var.secret_recovery_days,
    var.memory_mb,
    var.reserved_concurrency,
    var.kms_key_arn,
    var.topic_publishers,
    var.pages,
    var.tickets,
    var.cost_budget_per_hour,
    var.domain,
  ]
}

run "a_parameter_that_the_topology_does_not_have_is_refused" {
  command = plan

  variables {
    parameters = { guest = "allow" }
  }

  expect_failures = [terraform_data.checks]
}

run "reserved_concurrency_below_what_the_queues_start_is_refused" {
  command = plan

  variables {
    reserved_concurrency = { fanout = 7 }
  }

  expect_failures = [terraform_data.checks]
}

run "names_of_functions_and_topics_are_checked" {
  command = plan

  variables {
    memory_mb        = { fan = 512 }
    topic_publishers = { event = ["arn:aws:iam::111122223333:root"] }
  }

  expect_failures = [terraform_data.checks]
}

run "a_missing_package_is_refused" {
  command = plan

  variables {
    packages = "tests/fixtures"
  }

  expect_failures = [terraform_data.checks]
}

run "an_account_with_little_concurrency_is_told_what_to_request" {
  command = plan

  override_data {
    target = data.aws_servicequotas_service_quota.concurrency
    values = { value = 10 }
  }

  expect_failures = [check.account_concurrency]
}

run "a_domain_is_planned_with_its_record" {
  command = apply

  variables {
    domain = {
      name            = "chat.example.com"
      certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/mine"
    }
    access_logs         = true
    manage_logging_role = true
  }

  assert {
    condition     = output.websocket_url == "wss://chat.example.com"
    error_message = "Clients connect to the domain."
  }

  assert {
    condition     = output.management_endpoint == "https://mocked.execute-api.eu-west-1.amazonaws.com/live"
    error_message = "Functions keep posting to the default endpoint."
  }
}
