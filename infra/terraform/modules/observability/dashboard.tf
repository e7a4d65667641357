# The dashboard, from metrics.json, and the saved queries. Its first row answers: are people getting their messages, how fast, at
# what cost.

locals {
  charts = {
    for part, charts in { first_row = local.catalogue.first_row, charts = local.catalogue.charts } : part => [
      for chart in charts : {
        title = chart.title
        metrics = concat(flatten([for name, functions in chart.metrics : [
          for function in functions : [
            for statistic in endswith(name, "_ms") ? ["p50", "p99"] : ["Sum"] : {
              metric = local.metrics[name][function]
              options = {
                stat  = statistic
                label = join(" ", concat([name], length(functions) > 1 ? [function] : [], statistic == "Sum" ? [] : [statistic]))
              }
            }
          ] if contains(keys(var.functions), function)
        ]]))
        unit = endswith(keys(chart.metrics)[0], "_ms") ? "ms" : "a minute"
      }
    ]
  }

  # What AWS counts.
  aws_charts = [
    {
      title = "Age of the oldest message"
      unit  = "s"
      metrics = [for queue in sort(keys(local.queue_functions)) : {
        metric  = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.queue_names[queue] } }
        options = { stat = "Maximum", label = queue }
      }]
    },
    {
      title = "Dead letters"
      unit  = "letters"
      metrics = [for queue in local.dead_letter_queues : {
        metric  = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.queue_names[queue] } }
        options = { stat = "Maximum", label = queue }
      }]
    },
    {
      title = "Age of streams"
      unit  = "ms"
      metrics = [for function in local.stream_functions : {
        metric  = { namespace = "AWS/Lambda", name = "IteratorAge", dimensions = { FunctionName = var.function_names[function] } }
        options = { stat = "Maximum", label = function }
      }]
    },
    {
      title = "Errors and throttles of functions"
      unit  = "a minute"
      metrics = flatten([for function in sort(keys(var.function_names)) : [for count in ["Errors", "Throttles"] : {
        metric  = { namespace = "AWS/Lambda", name = count, dimensions = { FunctionName = var.function_names[function] } }
        options = { stat = "Sum", label = "${function} ${lower(count)}" }
      }]])
    },
    {
      title = "Invocations at the same time"
      unit  = "invocations"
      metrics = [for function in sort(keys(var.function_names)) : {
        metric  = { namespace = "AWS/Lambda", name = "ConcurrentExecutions", dimensions = { FunctionName = var.function_names[function] } }
        options = { stat = "Maximum", label = function }
      }]
    },
    {
      title = "API Gateway"
      unit  = "a minute"
      metrics = [for count in ["ConnectCount", "MessageCount", "ClientError", "IntegrationError", "ExecutionError"] : {
        metric  = { namespace = "AWS/ApiGateway", name = count, dimensions = local.api }
        options = { stat = "Sum", label = count }
      }]
    },
  ]

  waiting = {
    title = "Is anything waiting? Age of the oldest message"
    unit  = "s"
    metrics = [for queue in local.path.queues : {
      metric  = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.queue_names[queue] } }
      options = { stat = "Maximum", label = queue }
    }]
  }

  # Charts by row, those without a metric left out. A row has 24 columns.
  rows = [
    for row in concat(
      [{ width = 6, charts = concat(local.charts.first_row, [local.waiting]) }],
      [for index in range(0, length(local.all_charts), 3) : {
        width  = 8
        charts = slice(local.all_charts, index, min(index + 3, length(local.all_charts)))
      }],
    ) : merge(row, { charts = [for chart in row.charts : chart if length(chart.metrics) > 0] })
  ]
  all_charts = [for chart in concat(local.charts.charts, local.aws_charts) : chart if length(chart.metrics) > 0]

  height = 6

  widgets = flatten([for number, row in local.rows : [
    for place, chart in row.charts : {
      type   = "metric"
      x      = place * row.width
      y      = local.height * number + (number == 0 ? 0 : 4)
      width  = row.width
      height = local.height
      properties = {
        title  = chart.title
        region = var.region
        view   = "timeSeries"
        period = 60
        yAxis  = { left = { min = 0, label = chart.unit, showUnits = false } }
        metrics = [for line in chart.metrics : concat(
          [line.metric.namespace, line.metric.name],
          flatten([for dimension, value in line.metric.dimensions : [dimension, value]]),
          [line.options],
        )]
      }
    }
  ]])

  cost_widget = {
    type   = "metric"
    x      = 18
    y      = 0
    width  = 6
    height = local.height
    properties = {
      title  = "At what cost? Estimated US dollars an hour"
      region = var.region
      view   = "timeSeries"
      period = local.cost_period_s
      yAxis  = { left = { min = 0, label = "$", showUnits = false } }
      metrics = concat(
        [[{ id = "cost", expression = local.cost_expression, label = "an hour" }]],
        [for id, metric in local.cost_metrics : concat(
          [metric.namespace, metric.name],
          flatten([for dimension, value in metric.dimensions : [dimension, value]]),
          [{ id = id, stat = "Sum", visible = false }],
        )],
      )
      annotations = { horizontal = [for budget in var.cost_budget_per_hour == null ? [] : [var.cost_budget_per_hour] : { label = "budget", value = budget }] }
    }
  }

  alarm_arns = concat(
    [for alarm in aws_cloudwatch_composite_alarm.page : alarm.arn],
    [for key in sort(keys(local.alarms)) : aws_cloudwatch_metric_alarm.this[key].arn],
  )

  # The states of the alarms, below the first row.
  alarm_widget = {
    type       = "alarm"
    x          = 0
    y          = local.height
    width      = 24
    height     = 4
    properties = { title = "Alarms", alarms = slice(local.alarm_arns, 0, min(100, length(local.alarm_arns))) }
  }

  # The names of the files are the names of the queries.
  queries = { for file in fileset("${path.module}/queries", "*.txt") : trimsuffix(file, ".txt") => file }
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    start          = "-PT3H"
    periodOverride = "inherit"
    widgets        = concat(local.widgets, [local.cost_widget], length(local.alarm_arns) == 0 ? [] : [local.alarm_widget])
  })
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = { for name, file in local.queries : name => file if var.dashboard }

  name            = "${var.name}/${each.key}"
  log_group_names = sort(values(var.log_groups))
  query_string    = trimspace(file("${path.module}/queries/${each.value}"))
}
