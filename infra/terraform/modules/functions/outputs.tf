output "functions" {
  description = "Name, ARN, invoke ARN and log group of every function, by its name in the topology."
  value = {
    for name, function in aws_lambda_function.this : name => {
      name       = function.function_name
      arn        = function.arn
      invoke_arn = function.invoke_arn
      log_group  = aws_cloudwatch_log_group.this[name].name
    }
  }
}

output "statements" {
  description = "What the role of every function allows."
  value       = local.statements
}

output "environments" {
  description = "Environment variables of every function."
  value       = local.environments
}

output "event_sources" {
  description = "Ids of the event source mappings, by function and source."
  value       = { for name, mapping in merge(aws_lambda_event_source_mapping.queue, aws_lambda_event_source_mapping.stream) : name => mapping.id }
}
