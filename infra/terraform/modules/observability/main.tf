# Alarms, their receivers, a dashboard and saved queries.
#
# This file has the parts of the topology that they watch. Metrics of the functions are listed in metrics.json; a test compares
# the list with the code of the functions.

locals {
  catalogue = jsondecode(file("${path.module}/metrics.json"))

  # Metrics of the functions, by name and function: an alarm on a metric that is not listed fails the plan.
  counted = {
    for metric in flatten([for chart in concat(local.catalogue.first_row, local.catalogue.charts) : [
      for name, functions in chart.metrics : { name = name, functions = functions }
      ]]) : metric.name => {
      for function in metric.functions : function => {
        namespace  = local.catalogue.namespace
        name       = metric.name
        dimensions = { (local.catalogue.dimension) = function }
      } if contains(keys(var.functions), function)
    }...
  }
  metrics = { for name, found in local.counted : name => merge(found...) }

  # Queues for letters that cannot be delivered: of other queues, and of streams.
  dead_letter_queues = sort(distinct(concat(
    [for queue in values(var.queues) : queue.dead_letter.queue if queue.dead_letter != null],
    flatten([for function in values(var.functions) : [
      for trigger in function.triggers.stream : trigger.on_failure.queue if trigger.on_failure != null
    ]]),
  )))

  # The function that each queue invokes.
  queue_functions = merge([
    for name, function in var.functions : { for trigger in function.triggers.queue : trigger.queue => name }
  ]...)

  stream_functions = sort([for name, function in var.functions : name if length(function.triggers.stream) > 0])
  authorizers      = sort([for name, function in var.functions : name if length(function.triggers.authorizer) > 0])
  # Ids in expressions of those that count the tokens that they refuse.
  authorizer_ids = { for name in local.authorizers : name => replace(name, "-", "_") if contains(keys(local.metrics["connections_refused"]), name) }
  connectors = sort([
    for name, function in var.functions : name
    if contains(flatten([for trigger in function.triggers.websocket : trigger.routes]), "$connect")
  ])

  # Functions with a schedule, and the seconds between two runs.
  schedule_seconds = merge([
    for name, function in var.functions : {
      for trigger in function.triggers.schedule : name => tonumber(split(" ", trigger.rate)[0]) * {
        minute = 60, hour = 3600, day = 86400
      }[trimsuffix(split(" ", trigger.rate)[1], "s")]
    }
  ]...)

  # Seconds that a message may wait in each queue. A message of `presence` is a check that is delayed by up to 300 s on
  # purpose, and AWS does not document whether its age counts before. `publications-held` holds 4 min of a room's rate.
  oldest_message_s = {
    for queue in keys(local.queue_functions) : queue => lookup(var.thresholds.oldest_message_s, queue, lookup({
      publications      = 30
      publications-held = 600
      deliveries        = 30
      deliveries-wide   = 30
      presence          = 360
    }, queue, 60))
  }

  # The way of a message to a member: what fails here pages.
  path = {
    functions = [for name in ["authorizer", "connect", "ingest", "sequencer", "fanout"] : name if contains(keys(var.functions), name)]
    queues    = [for name in ["publications", "deliveries", "deliveries-wide"] : name if contains(keys(local.queue_functions), name)]
  }

  api = { ApiId = var.api_id, Stage = var.stage }
}
