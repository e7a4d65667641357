# The alarms. Each has a kind, which is the anchor of its section in the runbook, a text with what it means for people and what
# is lost, and the first command to run.

locals {
  # The percentage of one metric in another. No alarm is raised where nothing was counted.
  percent = "IF(whole > 0, 100 * FILL(part, 0) / whole, 0)"

  # An error of an authorizer is a 401, which it counts itself, or an invocation that failed, crashed or timed out.
  handshakes_failed = join(" + ", concat(
    ["FILL(failed, 0)", "FILL(crashed, 0)", "FILL(broken, 0)"],
    [for id in local.authorizer_ids : "IF(FILL(errors_${id}, 0) > FILL(refused_${id}, 0), FILL(errors_${id}, 0) - FILL(refused_${id}, 0), 0)"],
  ))
  # `connections_refused` of `connect` has those that failed, too.
  handshakes_refused = "FILL(refused, 0) - FILL(failed, 0)"
  handshakes         = "FILL(opened, 0) + ${local.handshakes_refused} + ${local.handshakes_failed}"

  # Log lines of a function that report a failure.
  failures = { for function, group in var.log_groups : function => "aws logs tail ${group} --since 15m --format short --filter-pattern '{ $.level = \"ERROR\" }'" }

  sources = { for function, name in var.function_names : function => "aws lambda list-event-source-mappings --function-name ${name} --query 'EventSourceMappings[].[EventSourceArn,State,LastProcessingResult]' --output text" }

  specifications = merge(
    { for queue in local.dead_letter_queues : "dead-letters-${queue}" => {
      kind      = "dead-letters"
      text      = "${queue} holds dead letters. Their content does not reach members until it is redriven. Nothing is lost for 14 days; then SQS deletes it."
      command   = "aws sqs receive-message --queue-url ${var.queue_urls[queue]} --max-number-of-messages 10 --visibility-timeout 0 --message-attribute-names All --attribute-names All"
      metrics   = { value = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.queue_names[queue] } } }
      statistic = "Maximum"
      threshold = 0
      minutes   = 1
      of        = 1
    } },
    { for queue, function in local.queue_functions : "oldest-message-${queue}" => {
      kind      = "oldest-message"
      text      = "A message in ${queue} waits for ${function} for more than ${local.oldest_message_s[queue]} s. ${contains(local.path.queues, queue) ? "Members of its room see nothing new." : "What it asks for is late."} Nothing is lost: the queue keeps it."
      command   = local.sources[function]
      metrics   = { value = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.queue_names[queue] } } }
      statistic = "Maximum"
      threshold = local.oldest_message_s[queue]
    } },
    { for function in local.stream_functions : "iterator-age-${function}" => {
      kind      = "iterator-age"
      text      = "${function} is more than ${var.thresholds.iterator_age_s} s behind its stream. Publications of the outbox, or member counts and clean-up, are late. Nothing is lost for 24 h; then DynamoDB drops the records."
      command   = local.sources[function]
      metrics   = { value = { namespace = "AWS/Lambda", name = "IteratorAge", dimensions = { FunctionName = var.function_names[function] } } }
      statistic = "Maximum"
      threshold = var.thresholds.iterator_age_s * 1000
    } },
    { for function in keys(local.metrics["posts_throttled"]) : "posts-throttled" => {
      kind       = "posts-throttled"
      text       = "API Gateway refuses more than ${var.thresholds.posts_throttled_percent}% of the posts of ${function} with 429. Members get messages late. Nothing is lost: refused posts are repeated."
      command    = "aws logs tail ${var.log_groups[function]} --since 15m --format short --filter-pattern '{ $.posts_throttled > 0 }'"
      metrics    = { part = local.metrics["posts_throttled"][function], whole = local.metrics["posts_sent"][function] }
      expression = local.percent
      threshold  = var.thresholds.posts_throttled_percent
    } },
    { for function in keys(local.metrics["delivery_took_ms"]) : "delivery-slow" => {
      kind      = "delivery-slow"
      text      = "One delivery in 100 takes more than ${var.thresholds.delivery_p99_ms} ms from accepted to posted. Members see messages late. Nothing is lost."
      command   = "aws logs tail ${var.log_groups[function]} --since 15m --format short --filter-pattern '{ $.delivery_took_ms > ${var.thresholds.delivery_p99_ms} }'"
      metrics   = { value = local.metrics["delivery_took_ms"][function] }
      statistic = "p99"
      threshold = var.thresholds.delivery_p99_ms
    } },
    { for function in keys(local.metrics["messages_poisonous"]) : "messages-given-up-${function}" => {
      kind      = "messages-given-up"
      text      = "${function} gives messages up again and again: they become dead letters as they come. Members do not get these messages until they are redriven. Nothing is lost."
      command   = local.failures[function]
      metrics   = { value = local.metrics["messages_poisonous"][function] }
      statistic = "Sum"
      threshold = 0
      of        = 5
    } if contains(local.path.functions, function) },
    { for function in keys(local.metrics["resumes_lost"]) : "resumes-lost" => {
      kind      = "resumes-lost"
      text      = "More than ${var.thresholds.resumes_lost} members in 5 min came back to a room and could not be given all that they missed. Their clients know, and show the event missed. The missed publications are lost to these members if they are older than 24 h."
      command   = "aws logs tail ${var.log_groups[function]} --since 15m --format short --filter-pattern '{ $.resumes_lost > 0 }'"
      metrics   = { value = local.metrics["resumes_lost"][function] }
      statistic = "Sum"
      threshold = var.thresholds.resumes_lost
      period    = 300
      minutes   = 1
      of        = 1
    } },
    # An authorizer refuses a token by an error, so AWS counts each 401 as one. Its own count has failures only.
    { for function, name in var.function_names : "function-errors-${function}" => {
      kind    = "function-errors"
      text    = "More than ${var.thresholds.function_errors_percent}% of the invocations of ${function} fail. Requests of clients end in an error, and messages of queues and streams wait for another try. Nothing that was accepted is lost."
      command = local.failures[function]
      metrics = {
        part  = contains(local.authorizers, function) ? local.metrics["invocations_failed"][function] : { namespace = "AWS/Lambda", name = "Errors", dimensions = { FunctionName = name } }
        whole = { namespace = "AWS/Lambda", name = "Invocations", dimensions = { FunctionName = name } }
      }
      expression = local.percent
      threshold  = var.thresholds.function_errors_percent
      of         = 5
    } if !contains(local.authorizers, function) || contains(keys(local.metrics["invocations_failed"]), function) },
    { for function, name in var.function_names : "function-throttles-${function}" => {
      kind      = "function-throttles"
      text      = "Lambda refuses invocations of ${function}: its concurrency or that of the account is used up. Requests of clients fail, and messages of queues and streams wait. Nothing that was accepted is lost."
      command   = "aws lambda get-account-settings --query AccountLimit"
      metrics   = { value = { namespace = "AWS/Lambda", name = "Throttles", dimensions = { FunctionName = name } } }
      statistic = "Sum"
      threshold = 0
      of        = 5
    } },
    # Handshakes answered with 5xx: by `connect` itself (500, 503), by API Gateway for it (500, 502, 504), and by API Gateway for an
    # authorizer that did not answer (500). ExecutionError has the calls of every function that API Gateway could not complete.
    { for function in local.connectors : "connects-failed" => {
      kind    = "connects-failed"
      text    = "More than ${var.thresholds.connects_failed_percent}% of the handshakes are answered with 5xx. These people cannot connect; members that are connected stay so. Nothing is lost: clients try again."
      command = "aws logs tail ${var.log_groups[function]} --since 15m --format short --filter-pattern '{ $.connects_failed > 0 }'"
      metrics = merge(
        {
          opened  = local.metrics["connections_opened"][function]
          refused = local.metrics["connections_refused"][function]
          failed  = local.metrics["connects_failed"][function]
          crashed = { namespace = "AWS/Lambda", name = "Errors", dimensions = { FunctionName = var.function_names[function] } }
          broken  = { namespace = "AWS/ApiGateway", name = "ExecutionError", dimensions = local.api }
        },
        { for name, id in local.authorizer_ids : "errors_${id}" => { namespace = "AWS/Lambda", name = "Errors", dimensions = { FunctionName = var.function_names[name] } } },
        { for name, id in local.authorizer_ids : "refused_${id}" => local.metrics["connections_refused"][name] },
      )
      expression = "IF((${local.handshakes}) > 0, 100 * (${local.handshakes_failed}) / (${local.handshakes}), 0)"
      threshold  = var.thresholds.connects_failed_percent
    } if contains(keys(local.metrics["connections_opened"]), function) },
    # Handshakes that `connect` refused because of the client, its token, or a limit.
    { for function in local.connectors : "handshakes-refused" => {
      kind    = "handshakes-refused"
      text    = "More than ${var.thresholds.handshakes_refused_percent}% of the handshakes are refused after the token was accepted: a client asks for what it may not have, or a room is full. These people cannot connect; others can. Nothing is lost."
      command = "aws logs tail ${var.log_groups[function]} --since 15m --format short --filter-pattern '{ $.connections_refused > 0 }'"
      metrics = {
        opened  = local.metrics["connections_opened"][function]
        refused = local.metrics["connections_refused"][function]
        failed  = local.metrics["connects_failed"][function]
      }
      expression = "IF(FILL(opened, 0) + FILL(refused, 0) > 0, 100 * (${local.handshakes_refused}) / (FILL(opened, 0) + FILL(refused, 0)), 0)"
      threshold  = var.thresholds.handshakes_refused_percent
    } if contains(keys(local.metrics["connections_opened"]), function) },
    { for function, seconds in local.schedule_seconds : "${function}-silent" => {
      kind       = "reaper-silent"
      text       = "${function} did not run in the last five of its turns. Closed connections stay in rooms: members are counted that are gone, and posts to them cost. No message is lost."
      command    = "aws events describe-rule --name ${var.function_names[function]} --query State"
      metrics    = { value = { namespace = "AWS/Lambda", name = "Invocations", dimensions = { FunctionName = var.function_names[function] } } }
      statistic  = "Sum"
      comparison = "LessThanThreshold"
      threshold  = 1
      period     = seconds
      minutes    = 5
      of         = 5
      missing    = "breaching"
    } },
    { for budget in var.cost_budget_per_hour == null ? [] : [var.cost_budget_per_hour] : "cost-per-hour" => {
      kind       = "cost-per-hour"
      text       = "The deployment costs more than ${budget} US dollars an hour, estimated from messages and DynamoDB units of the last 15 min. Members notice nothing, and nothing is lost."
      command    = "aws logs tail ${try(var.log_groups["fanout"], "/aws/lambda/${var.name}")} --since 5m --format short --filter-pattern '{ $.posts_sent > 1000 }'"
      metrics    = local.cost_metrics
      expression = local.cost_expression
      threshold  = budget
      period     = local.cost_period_s
    } },
  )

  alarms = { for key, alarm in local.specifications : key => {
    kind        = alarm.kind
    description = "${alarm.text} First: ${alarm.command} Runbook: ${var.runbook_url}#${alarm.kind}"
    metrics     = alarm.metrics
    expression  = try(alarm.expression, null)
    statistic   = try(alarm.statistic, "Sum")
    comparison  = try(alarm.comparison, "GreaterThanThreshold")
    threshold   = alarm.threshold
    period      = try(alarm.period, 60)
    minutes     = try(alarm.minutes, 3)
    of          = try(alarm.of, 3)
    missing     = try(alarm.missing, "notBreaching")
  } if var.alarms }

  # Alarms that mean that members are not getting messages. Dead letters are none of them: a letter stays until it is redriven,
  # and an alarm that is already raised cannot page again. Slow deliveries are none: what is held for a backend counts there.
  paging = sort(concat(
    [for queue in local.path.queues : "oldest-message-${queue}"],
    [for function in local.path.functions : "function-errors-${function}"],
    [for function in local.path.functions : "function-throttles-${function}"],
    [for key, alarm in local.specifications : key if contains(["messages-given-up", "connects-failed"], alarm.kind)],
  ))

  page = {
    kind    = "members-are-not-getting-messages"
    text    = "Members are not getting messages, or get them late: an alarm on the way of a message is raised. What was accepted is kept and is delivered once the cause is gone."
    command = "aws cloudwatch describe-alarms --state-value ALARM --alarm-name-prefix ${var.name}- --query 'MetricAlarms[].AlarmName' --output text"
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = each.value.description

  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = each.value.of
  datapoints_to_alarm = each.value.minutes
  treat_missing_data  = each.value.missing

  namespace          = each.value.expression == null ? each.value.metrics.value.namespace : null
  metric_name        = each.value.expression == null ? each.value.metrics.value.name : null
  dimensions         = each.value.expression == null ? each.value.metrics.value.dimensions : null
  period             = each.value.expression == null ? each.value.period : null
  statistic          = each.value.expression == null && !startswith(each.value.statistic, "p") ? each.value.statistic : null
  extended_statistic = each.value.expression == null && startswith(each.value.statistic, "p") ? each.value.statistic : null

  dynamic "metric_query" {
    for_each = each.value.expression == null ? {} : each.value.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = each.value.period
        stat        = each.value.statistic
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.value.expression == null ? [] : [each.value.expression]

    content {
      id          = "watched"
      label       = each.value.kind
      expression  = metric_query.value
      return_data = true
    }
  }

  alarm_actions = local.actions.tickets
  ok_actions    = local.actions.tickets

  tags = var.tags

  lifecycle {
    precondition {
      condition     = length(each.value.metrics) <= 10
      error_message = "CloudWatch takes at most 10 metrics in an alarm, and ${each.key} needs ${length(each.value.metrics)}: set `cost_budget_per_hour` to null."
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "page" {
  count = var.alarms && length(local.paging) > 0 ? 1 : 0

  alarm_name        = "${var.name}-${local.page.kind}"
  alarm_description = "${local.page.text} First: ${local.page.command} Runbook: ${var.runbook_url}#${local.page.kind}"
  alarm_rule        = join(" OR ", [for key in local.paging : "ALARM(\"${aws_cloudwatch_metric_alarm.this[key].alarm_name}\")"])

  alarm_actions = local.actions.pages
  ok_actions    = local.actions.pages

  tags = var.tags
}
