# Lambda: one function, one role and one log group each; event source mappings and schedules of their triggers.

locals {
  names = { for name in keys(var.functions) : name => "${var.name}-${name}" }

  # References of the topology become names, URLs and ARNs. An empty parameter is left out: Lambda keeps 4 KB in all.
  environments = {
    for name, function in var.functions : name => {
      for variable, value in function.environment : variable => try(
        value.text,
        var.tables[value.table].name,
        var.queues[value.queue_url].url,
        var.topics[value.topic_arn].arn,
        var.secrets[value.secret].name,
        var.parameters[value.parameter],
        { management_url = var.management_url }[value.websocket],
      ) if !(can(value.parameter) && try(var.parameters[value.parameter], null) == "")
    }
  }

  packages = { for name, function in var.functions : name => "${var.packages}/${function.binary}.zip" }

  queue_triggers = merge([
    for name, function in var.functions : {
      for trigger in function.triggers.queue : "${name}/${trigger.queue}" => merge(trigger, { function = name })
    }
  ]...)

  stream_triggers = merge([
    for name, function in var.functions : {
      for trigger in function.triggers.stream : "${name}/${trigger.table}" => merge(trigger, { function = name })
    }
  ]...)

  schedules = merge([
    for name, function in var.functions : {
      for trigger in function.triggers.schedule : "${name}/${replace(trigger.rate, " ", "-")}" => merge(trigger, { function = name })
    }
  ]...)
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = var.functions

  name              = "/aws/lambda/${local.names[each.key]}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}

resource "aws_lambda_function" "this" {
  for_each = var.functions

  function_name = local.names[each.key]
  description   = each.value.description
  role          = aws_iam_role.this[each.key].arn

  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture]

  filename         = local.packages[each.key]
  source_code_hash = fileexists(local.packages[each.key]) ? filebase64sha256(local.packages[each.key]) : null

  memory_size                    = lookup(var.memory_mb, each.key, each.value.memory_mb)
  timeout                        = each.value.timeout_s
  reserved_concurrent_executions = lookup(var.reserved_concurrency, each.key, coalesce(each.value.reserved_concurrency, -1))

  kms_key_arn = var.kms_key_arn

  dynamic "environment" {
    for_each = length(local.environments[each.key]) == 0 ? [] : [local.environments[each.key]]

    content {
      variables = environment.value
    }
  }

  # A level above INFO would drop the metrics: they are log lines of level INFO.
  logging_config {
    log_format            = "JSON"
    application_log_level = var.log_level
    system_log_level      = "WARN"
    log_group             = aws_cloudwatch_log_group.this[each.key].name
  }

  tags = var.tags

  # A new version is of no use before its role allows what it does.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_event_source_mapping" "queue" {
  for_each = local.queue_triggers

  function_name    = aws_lambda_function.this[each.value.function].arn
  event_source_arn = var.queues[each.value.queue].arn

  batch_size                         = each.value.batch_size
  maximum_batching_window_in_seconds = each.value.batch_window_s == 0 ? null : each.value.batch_window_s
  function_response_types            = each.value.report_batch_item_failures ? ["ReportBatchItemFailures"] : null

  dynamic "scaling_config" {
    for_each = each.value.maximum_concurrency == null ? [] : [each.value.maximum_concurrency]

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  dynamic "filter_criteria" {
    for_each = length(each.value.filters) == 0 ? [] : [each.value.filters]

    content {
      dynamic "filter" {
        for_each = filter_criteria.value

        content {
          pattern = jsonencode(filter.value)
        }
      }
    }
  }

  tags = var.tags

  # Lambda tries the queue with the role of the function when it creates the mapping.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_event_source_mapping" "stream" {
  for_each = local.stream_triggers

  function_name    = aws_lambda_function.this[each.value.function].arn
  event_source_arn = var.tables[each.value.table].stream_arn

  starting_position                  = upper(each.value.starting_position)
  batch_size                         = each.value.batch_size
  maximum_batching_window_in_seconds = each.value.batch_window_s
  parallelization_factor             = each.value.parallelization_factor
  maximum_retry_attempts             = coalesce(each.value.maximum_retry_attempts, -1)
  maximum_record_age_in_seconds      = coalesce(each.value.maximum_record_age_s, -1)
  bisect_batch_on_function_error     = each.value.bisect_batch_on_function_error
  function_response_types            = each.value.report_batch_item_failures ? ["ReportBatchItemFailures"] : null

  dynamic "filter_criteria" {
    for_each = length(each.value.filters) == 0 ? [] : [each.value.filters]

    content {
      dynamic "filter" {
        for_each = filter_criteria.value

        content {
          pattern = jsonencode(filter.value)
        }
      }
    }
  }

  dynamic "destination_config" {
    for_each = each.value.on_failure == null ? [] : [each.value.on_failure]

    content {
      on_failure {
        destination_arn = var.queues[destination_config.value.queue].arn
      }
    }
  }

  tags = var.tags

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.schedules

  name                = local.names[each.value.function]
  description         = "Invokes ${local.names[each.value.function]} every ${each.value.rate}."
  schedule_expression = "rate(${each.value.rate})"

  tags = var.tags
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.schedules

  rule = aws_cloudwatch_event_rule.this[each.key].name
  arn  = aws_lambda_function.this[each.value.function].arn
}

resource "aws_lambda_permission" "schedule" {
  for_each = local.schedules

  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.value.function].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}

# The next run of a schedule does what a failed one left: no retries, and no run that is a minute late.
resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = local.schedules

  function_name                = aws_lambda_function.this[each.value.function].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
