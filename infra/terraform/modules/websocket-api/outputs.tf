output "api_id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "URL for clients: the custom domain where there is one."
  value       = try("wss://${aws_apigatewayv2_domain_name.this[0].domain_name}", aws_apigatewayv2_stage.this.invoke_url)
}

output "throttling" {
  description = "Limits of the stage, and of the routes that have limits of their own."
  value = {
    rate_limit  = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit
    burst_limit = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit
    routes = {
      for settings in aws_apigatewayv2_stage.this.route_settings :
      settings.route_key => { rate_limit = settings.throttling_rate_limit, burst_limit = settings.throttling_burst_limit }
    }
  }
}

output "routes" {
  description = "Ids of the routes, by their keys."
  value       = { for key, route in aws_apigatewayv2_route.this : key => route.id }
}
