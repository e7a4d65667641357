output "api_id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "URL for backends, without a slash at the end."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "throttling" {
  description = "Limits of the stage."
  value = {
    rate_limit  = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit
    burst_limit = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit
  }
}

output "routes" {
  description = "Ids of the routes, by their keys."
  value       = { for key, route in aws_apigatewayv2_route.this : key => route.id }
}

output "invokers" {
  description = "ARNs from which each route may invoke its function."
  value       = { for key, permission in aws_lambda_permission.route : key => permission.source_arn }
}
