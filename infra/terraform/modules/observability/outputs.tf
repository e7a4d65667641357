output "alarms" {
  description = "Name, kind and description of every alarm that raises a ticket, by what it watches."
  value = {
    for key, alarm in aws_cloudwatch_metric_alarm.this : key => {
      name        = alarm.alarm_name
      kind        = local.alarms[key].kind
      description = alarm.alarm_description
    }
  }
}

output "page" {
  description = "Name, description and rule of the alarm that pages; null without it."
  value = one([for alarm in aws_cloudwatch_composite_alarm.page : {
    name        = alarm.alarm_name
    description = alarm.alarm_description
    rule        = alarm.alarm_rule
  }])
}

output "actions" {
  description = "ARNs that alarms are sent to, for pages and tickets."
  value       = local.actions
}

output "dashboard" {
  description = "Name and content of the dashboard; null without it."
  value = one([for dashboard in aws_cloudwatch_dashboard.this : {
    name = dashboard.dashboard_name
    body = dashboard.dashboard_body
  }])
}

output "queries" {
  description = "Names of the saved queries."
  value       = sort([for query in aws_cloudwatch_query_definition.this : query.name])
}
