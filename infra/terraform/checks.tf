# What can be known before anything is created, and what the account has to allow.

locals {
  queue_concurrency = {
    for name, function in local.topology.functions :
    name => sum(concat([0], [for trigger in function.triggers.queue : coalesce(trigger.maximum_concurrency, 0)]))
  }

  # Places that queues may take at once, and one for each function that clients or streams invoke.
  concurrency_needed = sum(concat(values(local.queue_concurrency), [length(local.topology.functions)]))

  # Requests a second that the HTTP API takes of the account.
  http_requests_per_second = local.has_http_api ? var.http_throttling_rate_limit : 0

  # Parameters of the topology without a value.
  missing_parameters = sort([for name, value in local.parameters : name if value == null])
  unknown_parameters = sort(setsubtract(keys(var.parameters), keys(local.topology.parameters)))
  unknown_functions = sort(setsubtract(
    concat(keys(var.memory_mb), keys(var.reserved_concurrency)),
    keys(local.topology.functions),
  ))
  unknown_topics = sort(setsubtract(keys(var.topic_publishers), keys(local.topology.topics)))

  packages         = coalesce(var.packages, "${path.module}/../../target/packages/${var.architecture}")
  missing_packages = sort([for function in local.topology.functions : function.binary if !fileexists("${local.packages}/${function.binary}.zip")])

  # What the functions that deliver may post, whichever way their rate was set.
  posts_per_second = local.posting_places * try(tonumber(local.parameters["posts_per_second"]), 0)

  # Reserved concurrency below what its queues may start counts receives towards the dead-letter queue.
  throttled_functions = sort([
    for name, reserved in var.reserved_concurrency : name if reserved < lookup(local.queue_concurrency, name, 0)
  ])
}

resource "terraform_data" "checks" {
  lifecycle {
    precondition {
      condition     = length(local.missing_parameters) == 0
      error_message = "The topology's parameters ${join(", ", local.missing_parameters)} have no value: set them in `parameters`."
    }

    precondition {
      condition     = length(local.unknown_parameters) == 0
      error_message = "The topology has no parameters ${join(", ", local.unknown_parameters)}: remove them from `parameters`. It has ${join(", ", sort(keys(local.topology.parameters)))}."
    }

    precondition {
      condition     = length(local.unknown_functions) == 0
      error_message = "The topology has no functions ${join(", ", local.unknown_functions)}: remove them from `memory_mb` and `reserved_concurrency`."
    }

    precondition {
      condition     = length(local.unknown_topics) == 0
      error_message = "The topology has no topics ${join(", ", local.unknown_topics)}: remove them from `topic_publishers`."
    }

    precondition {
      condition     = local.whole.http != null || !var.http_api
      error_message = "The topology has no HTTP API: declare `http` and routes for it, or leave `http_api` out."
    }

    precondition {
      condition     = length(local.missing_packages) == 0
      error_message = "${local.packages} has no packages of ${join(", ", local.missing_packages)}: build them with `cargo xtask package`, or set `packages` to the folder that they are in."
    }

    precondition {
      condition     = length(local.throttled_functions) == 0
      error_message = "`reserved_concurrency` of ${join(", ", local.throttled_functions)} is less than their queues may start at once (`maximum_concurrency` in the topology): raise it, or every throttled message counts as received and ends in a dead-letter queue."
    }

    precondition {
      condition     = local.posts_per_second <= var.post_budget_per_second
      error_message = "${join(" and ", local.posting_functions)} may post ${local.posts_per_second} times a second in ${local.posting_places} processes, more than `post_budget_per_second`, ${var.post_budget_per_second}: remove `posts_per_second` from `parameters`, or lower it to ${local.posts_of_one_place}."
    }

    precondition {
      condition     = local.posting_places == 0 || try(tonumber(local.parameters["posts_per_second"]), 0) >= 100
      error_message = "Each of the ${local.posting_places} processes of ${join(" and ", local.posting_functions)} has to post at least 100 times a second, or it does not reach the members of a shard in time: raise `post_budget_per_second` to ${local.posting_places * 100} or more, or lower `maximum_concurrency` in the topology."
    }

    precondition {
      condition     = var.post_budget_per_second + var.throttling_rate_limit + local.http_requests_per_second <= var.account_requests_per_second
      error_message = "`post_budget_per_second` (${var.post_budget_per_second}), `throttling_rate_limit` (${var.throttling_rate_limit}) and the HTTP API (${local.http_requests_per_second}) are more than the account's requests a second: lower one of them, or request a higher quota and set `account_requests_per_second` (${var.account_requests_per_second}) to it."
    }

    precondition {
      condition     = sum(concat([0], [for value in values(local.parameters) : length(coalesce(value, "-"))])) <= 3000
      error_message = "The values in `parameters` take more than 3,000 bytes, and Lambda keeps 4 KB of environment variables in all: shorten `allowed_origins`."
    }
  }
}

# New accounts have a concurrency of 10; then functions are throttled as soon as a few run at once.
check "account_concurrency" {
  data "aws_servicequotas_service_quota" "concurrency" {
    service_code = "lambda"
    quota_code   = "L-B99A9384"
  }

  assert {
    condition     = data.aws_servicequotas_service_quota.concurrency.value >= local.concurrency_needed + 100
    error_message = "The account runs ${data.aws_servicequotas_service_quota.concurrency.value} functions at once in this Region, and this deployment may need ${local.concurrency_needed} with 100 to spare. Request more: aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000"
  }
}
