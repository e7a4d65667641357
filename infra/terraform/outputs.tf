output "websocket_url" {
  description = "URL for clients."
  value       = module.websocket_api.url
}

output "http_api_url" {
  description = "URL of the HTTP API for backends, without a slash at the end; null without `http_api`."
  value       = try(module.http_api[0].url, null)
}

output "wscat" {
  description = "Command that opens a connection from a terminal; a token goes into ?token= or an Authorization header."
  value       = "npx wscat -c '${module.websocket_api.url}?room=lobby'"
}

output "management_endpoint" {
  description = "Endpoint of the management API: what functions post to connections through."
  value       = local.management_url
}

output "topic_arns" {
  description = "ARNs of the topics: publish to events, subscribe to activity."
  value       = { for name, topic in module.messaging.topics : name => topic.arn }
}

output "table_names" {
  description = "Names of the tables."
  value       = { for name, table in module.tables.tables : name => table.name }
}

output "queue_urls" {
  description = "URLs of the queues, dead-letter queues among them."
  value       = { for name, queue in module.messaging.queues : name => queue.url }
}

output "secret_names" {
  description = "Names of the secrets, whose values functions read."
  value       = { for name, secret in module.secrets.secrets : name => secret.name }
}

output "function_names" {
  description = "Names of the functions."
  value       = { for name, function in module.functions.functions : name => function.name }
}

output "log_groups" {
  description = "Log groups of the functions."
  value       = { for name, function in module.functions.functions : name => function.log_group }
}

output "statements" {
  description = "What the role of each function allows."
  value       = module.functions.statements
}

output "alarm_names" {
  description = "Names of the alarms that raise tickets, by what they watch."
  value       = { for key, alarm in module.observability.alarms : key => alarm.name }
}

output "page_alarm_name" {
  description = "Name of the alarm that pages; null without alarms."
  value       = try(module.observability.page.name, null)
}

output "dashboard_name" {
  description = "Name of the dashboard in CloudWatch; null without it."
  value       = try(module.observability.dashboard.name, null)
}
