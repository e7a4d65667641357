# Plans alarms and the dashboard with a mocked provider: for the topology, and for topologies with more in them.

mock_provider "aws" {
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:roomcast-mocked" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:mocked" }
  }

  mock_resource "aws_cloudwatch_composite_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:mocked-page" }
  }
}

run "topology" {
  module {
    source = "./modules/topology"
  }

  variables {
    file = "../topology.yaml"
  }
}

run "small_topology" {
  module {
    source = "./modules/topology"
  }

  variables {
    file = "tests/fixtures/one-more.yaml"
  }
}

variables {
  name       = "roomcast"
  partition  = "aws"
  account_id = "123456789012"
  region     = "eu-west-1"
  api_id     = "abcd1234"
  stage      = "live"
}

run "everything_that_delivers_is_watched" {
  module {
    source = "./modules/observability"
  }

  variables {
    functions      = run.topology.topology.functions
    queues         = run.topology.topology.queues
    tables         = run.topology.topology.tables
    function_names = { for name in keys(run.topology.topology.functions) : name => "roomcast-${name}" }
    log_groups     = { for name in keys(run.topology.topology.functions) : name => "/aws/lambda/roomcast-${name}" }
    queue_names    = { for name in keys(run.topology.topology.queues) : name => "roomcast-${name}" }
    queue_urls     = { for name in keys(run.topology.topology.queues) : name => "https://sqs.eu-west-1.amazonaws.com/123456789012/roomcast-${name}" }
    table_names    = { for name in keys(run.topology.topology.tables) : name => "roomcast-${name}" }
  }

  assert {
    condition = alltrue([
      for name in keys(run.topology.topology.queues) : contains(keys(output.alarms), "dead-letters-${name}") == endswith(name, "-dead")
    ])
    error_message = "Each queue for dead letters has an alarm, and no other queue has one of that kind."
  }

  assert {
    condition = alltrue([
      for name, queue in run.topology.topology.queues : contains(keys(output.alarms), "oldest-message-${name}") == (queue.dead_letter != null)
    ])
    error_message = "Each queue that a function works off has an alarm on its oldest message."
  }

  assert {
    condition = alltrue(flatten([
      for name in keys(run.topology.topology.functions) : [for kind in ["function-errors", "function-throttles"] : contains(keys(output.alarms), "${kind}-${name}")]
    ]))
    error_message = "Each function has an alarm on its errors and one on its throttles."
  }

  assert {
    condition = alltrue([for key in [
      "connects-failed", "cost-per-hour", "delivery-slow", "handshakes-refused", "iterator-age-outbox", "iterator-age-presence",
      "messages-given-up-fanout", "messages-given-up-sequencer", "posts-throttled", "reaper-silent", "resumes-lost",
    ] : contains(keys(output.alarms), key)])
    error_message = "The other alarms are planned."
  }

  assert {
    condition = length(output.alarms) == sum([
      length([for name in keys(run.topology.topology.queues) : name if endswith(name, "-dead")]),
      length([for queue in values(run.topology.topology.queues) : queue if queue.dead_letter != null]),
      2 * length(run.topology.topology.functions),
      11,
    ])
    error_message = "There is no alarm that this test does not know."
  }

  assert {
    condition     = alltrue([for alarm in values(output.alarms) : endswith(alarm.description, " Runbook: docs/operations/runbook.md#${alarm.kind}")])
    error_message = "Each description ends in the section of the runbook."
  }

  assert {
    condition     = alltrue([for alarm in concat(values(output.alarms), [output.page]) : length(regexall("(lost|kept)", alarm.description)) > 0 && strcontains(alarm.description, " First: aws ")])
    error_message = "Each description states what is lost, and the first command."
  }

  assert {
    condition     = alltrue([for alarm in concat(values(output.alarms), [output.page]) : length(alarm.description) <= 1024])
    error_message = "CloudWatch takes descriptions of up to 1,024 characters."
  }

  assert {
    condition     = strcontains(output.page.description, "runbook.md#members-are-not-getting-messages")
    error_message = "The description of the alarm that pages has its section."
  }

  assert {
    condition = sort([for part in split(" OR ", output.page.rule) : part]) == sort([for key in concat(
      ["connects-failed", "messages-given-up-fanout", "messages-given-up-sequencer"],
      ["oldest-message-deliveries", "oldest-message-deliveries-wide", "oldest-message-publications"],
      [for name in ["authorizer", "connect", "fanout", "ingest", "sequencer"] : "function-errors-${name}"],
      [for name in ["authorizer", "connect", "fanout", "ingest", "sequencer"] : "function-throttles-${name}"],
    ) : "ALARM(\"roomcast-${key}\")"])
    error_message = "What pages is on the way of a message to a member; dead letters, slow deliveries, presence and cost are not."
  }

  assert {
    condition = alltrue([
      aws_cloudwatch_metric_alarm.this["oldest-message-publications"].threshold == 30,
      aws_cloudwatch_metric_alarm.this["oldest-message-deliveries-wide"].threshold == 30,
      aws_cloudwatch_metric_alarm.this["oldest-message-events"].threshold == 60,
      aws_cloudwatch_metric_alarm.this["oldest-message-presence"].threshold == 360,
    ])
    error_message = "Publications and deliveries wait for 30 s at most; checks of presence are delayed by 300 s on purpose."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["reaper-silent"].treat_missing_data == "breaching"
      && aws_cloudwatch_metric_alarm.this["reaper-silent"].comparison_operator == "LessThanThreshold"
      && [for key, alarm in aws_cloudwatch_metric_alarm.this : key if alarm.treat_missing_data != "notBreaching"] == ["reaper-silent"]
    )
    error_message = "A function that does not run counts nothing: only there missing data raises the alarm."
  }

  assert {
    condition = [
      for query in aws_cloudwatch_metric_alarm.this["function-errors-authorizer"].metric_query : query.metric[0].metric_name if query.id == "part"
      ] == ["invocations_failed"] && [
      for query in aws_cloudwatch_metric_alarm.this["function-errors-fanout"].metric_query : query.metric[0].metric_name if query.id == "part"
    ] == ["Errors"]
    error_message = "A token that the authorizer refuses is an error of Lambda and no failure."
  }

  assert {
    condition = { for query in aws_cloudwatch_metric_alarm.this["connects-failed"].metric_query : query.id => query.metric[0].metric_name if query.id != "watched" } == {
      opened             = "connections_opened"
      refused            = "connections_refused"
      failed             = "connects_failed"
      crashed            = "Errors"
      broken             = "ExecutionError"
      errors_authorizer  = "Errors"
      refused_authorizer = "connections_refused"
    }
    error_message = "A handshake is answered with 5xx by connect, or by API Gateway if connect or the authorizer does not answer."
  }

  assert {
    condition = alltrue(flatten([
      for alarm in values(aws_cloudwatch_metric_alarm.this) : [
        for id in flatten([for query in alarm.metric_query : regexall("FILL\\((\\w+),", query.expression) if query.id == "watched"]) :
        contains([for query in alarm.metric_query : query.id], id)
      ]
    ]))
    error_message = "An expression names metrics of its alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["delivery-slow"].extended_statistic == "p99" && aws_cloudwatch_metric_alarm.this["delivery-slow"].statistic == null
    error_message = "The slowest delivery in 100 counts."
  }

  assert {
    condition = [for widget in jsondecode(output.dashboard.body).widgets : widget.properties.title if widget.y == 0] == [
      "Are people getting their messages? Posts a minute",
      "How fast? From accepted to posted",
      "Is anything waiting? Age of the oldest message",
      "At what cost? Estimated US dollars an hour",
    ]
    error_message = "The first row answers whether people get their messages, how fast, and at what cost."
  }

  assert {
    condition = alltrue([
      for name, functions in merge([for chart in jsondecode(file("modules/observability/metrics.json")).charts : chart.metrics]...) : alltrue([
        for function in functions : strcontains(output.dashboard.body, "[\"Roomcast\",\"${name}\",\"function\",\"${function}\",")
      ])
    ])
    error_message = "The dashboard has each metric of each function."
  }

  assert {
    condition     = alltrue([for widget in jsondecode(output.dashboard.body).widgets : widget.x + widget.width <= 24])
    error_message = "A row of a dashboard has 24 columns."
  }

  assert {
    condition     = contains(output.queries, "roomcast/failures") && length(output.queries) == length(fileset("modules/observability/queries", "*.txt"))
    error_message = "Each query is saved."
  }

  assert {
    condition     = output.actions == { pages = [], tickets = [] } && length(aws_sns_topic.this) == 0
    error_message = "Without receivers there is no topic."
  }
}

run "one_more_queue_in_the_topology_is_one_more_alarm_of_each_kind" {
  module {
    source = "./modules/observability"
  }

  variables {
    functions = run.topology.topology.functions
    queues = merge(run.topology.topology.queues, {
      parcels      = merge(run.topology.topology.queues["events"], { dead_letter = { queue = "parcels-dead", maximum_receive_count = 10 } })
      parcels-dead = run.topology.topology.queues["events-dead"]
    })
    tables         = run.topology.topology.tables
    function_names = { for name in keys(run.topology.topology.functions) : name => "roomcast-${name}" }
    log_groups     = { for name in keys(run.topology.topology.functions) : name => "/aws/lambda/roomcast-${name}" }
    queue_names    = { for name in concat(keys(run.topology.topology.queues), ["parcels", "parcels-dead"]) : name => "roomcast-${name}" }
    queue_urls     = { for name in concat(keys(run.topology.topology.queues), ["parcels", "parcels-dead"]) : name => "https://sqs/${name}" }
    table_names    = { for name in keys(run.topology.topology.tables) : name => "roomcast-${name}" }
  }

  assert {
    condition     = length(output.alarms) == length(run.everything_that_delivers_is_watched.alarms) + 1 && contains(keys(output.alarms), "dead-letters-parcels-dead")
    error_message = "One more queue for dead letters is one more alarm."
  }
}

run "a_topology_without_our_functions_is_watched_as_far_as_it_goes" {
  module {
    source = "./modules/observability"
  }

  variables {
    functions            = run.small_topology.topology.functions
    queues               = run.small_topology.topology.queues
    tables               = run.small_topology.topology.tables
    function_names       = { for name in keys(run.small_topology.topology.functions) : name => "small-${name}" }
    log_groups           = { for name in keys(run.small_topology.topology.functions) : name => "/aws/lambda/small-${name}" }
    queue_names          = { for name in keys(run.small_topology.topology.queues) : name => "small-${name}" }
    queue_urls           = { for name in keys(run.small_topology.topology.queues) : name => "https://sqs/${name}" }
    table_names          = { for name in keys(run.small_topology.topology.tables) : name => "small-${name}" }
    cost_budget_per_hour = null
  }

  # `guard` is an authorizer without a count of its own failures.
  assert {
    condition = keys(output.alarms) == [
      "dead-letters-shouts-dead",
      "function-errors-extra",
      "function-errors-greeter",
      "function-throttles-extra",
      "function-throttles-greeter",
      "function-throttles-guard",
      "iterator-age-extra",
      "oldest-message-shouts",
    ]
    error_message = "Queues, streams and functions of any topology have their alarms, and nothing that is not there has one."
  }

  assert {
    condition     = output.page == null
    error_message = "Without a way to members nothing pages."
  }
}

run "receivers_are_notified" {
  module {
    source = "./modules/observability"
  }

  variables {
    functions      = run.topology.topology.functions
    queues         = run.topology.topology.queues
    tables         = run.topology.topology.tables
    function_names = { for name in keys(run.topology.topology.functions) : name => "roomcast-${name}" }
    log_groups     = { for name in keys(run.topology.topology.functions) : name => "/aws/lambda/roomcast-${name}" }
    queue_names    = { for name in keys(run.topology.topology.queues) : name => "roomcast-${name}" }
    queue_urls     = { for name in keys(run.topology.topology.queues) : name => "https://sqs/${name}" }
    table_names    = { for name in keys(run.topology.topology.tables) : name => "roomcast-${name}" }
    pages          = ["night@example.com", "arn:aws:sns:eu-west-1:123456789012:pager"]
    tickets        = ["arn:aws:sns:eu-west-1:123456789012:tickets"]
    thresholds     = { oldest_message_s = { events = 90 }, delivery_p99_ms = 2000 }
    dashboard      = false
  }

  assert {
    condition     = keys(aws_sns_topic.this) == ["pages"] && keys(aws_sns_topic_subscription.this) == ["pages/night@example.com"]
    error_message = "An email address is subscribed to a topic of its kind."
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.page[0].alarm_actions == toset(["arn:aws:sns:eu-west-1:123456789012:pager", "arn:aws:sns:eu-west-1:123456789012:roomcast-mocked"])
    error_message = "The alarm that pages is sent to every receiver of pages."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset(["arn:aws:sns:eu-west-1:123456789012:tickets"]) && alarm.ok_actions == alarm.alarm_actions])
    error_message = "Every other alarm is sent to the receivers of tickets, and so is its end."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["oldest-message-events"].threshold == 90
      && aws_cloudwatch_metric_alarm.this["oldest-message-presence"].threshold == 360
      && aws_cloudwatch_metric_alarm.this["delivery-slow"].threshold == 2000
    )
    error_message = "Thresholds are those that were asked for, and the defaults elsewhere."
  }

  assert {
    condition     = output.dashboard == null && length(output.queries) == 0
    error_message = "Without the dashboard there are no saved queries."
  }
}

run "without_alarms_nothing_is_watched" {
  module {
    source = "./modules/observability"
  }

  variables {
    functions      = run.topology.topology.functions
    queues         = run.topology.topology.queues
    tables         = run.topology.topology.tables
    function_names = { for name in keys(run.topology.topology.functions) : name => "roomcast-${name}" }
    log_groups     = { for name in keys(run.topology.topology.functions) : name => "/aws/lambda/roomcast-${name}" }
    queue_names    = { for name in keys(run.topology.topology.queues) : name => "roomcast-${name}" }
    queue_urls     = { for name in keys(run.topology.topology.queues) : name => "https://sqs/${name}" }
    table_names    = { for name in keys(run.topology.topology.tables) : name => "roomcast-${name}" }
    pages          = ["night@example.com"]
    alarms         = false
  }

  assert {
    condition     = length(output.alarms) == 0 && output.page == null && length(aws_sns_topic.this) == 0
    error_message = "There are no alarms and no topics for them."
  }

  assert {
    condition     = output.dashboard != null
    error_message = "The dashboard does not need alarms."
  }
}

run "a_cost_of_too_many_tables_is_refused" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    functions      = run.topology.topology.functions
    queues         = run.topology.topology.queues
    tables         = merge(run.topology.topology.tables, { parcels = run.topology.topology.tables["rooms"], bills = run.topology.topology.tables["rooms"] })
    function_names = { for name in keys(run.topology.topology.functions) : name => "roomcast-${name}" }
    log_groups     = { for name in keys(run.topology.topology.functions) : name => "/aws/lambda/roomcast-${name}" }
    queue_names    = { for name in keys(run.topology.topology.queues) : name => "roomcast-${name}" }
    queue_urls     = { for name in keys(run.topology.topology.queues) : name => "https://sqs/${name}" }
    table_names    = { for name in concat(keys(run.topology.topology.tables), ["parcels", "bills"]) : name => "roomcast-${name}" }
  }

  expect_failures = [aws_cloudwatch_metric_alarm.this["cost-per-hour"]]
}
