# API Gateway: the HTTP API for backends, its routes and its stage. The function behind it checks the credentials.

locals {
  routes = merge([
    for name, function in var.functions : merge([
      for trigger in function.triggers.http : { for route in trigger.routes : route => name }
    ]...)
  ]...)

  serving = toset(values(local.routes))

  # Never the header `Authorization`, the path with its names, or addresses.
  access_log_format = jsonencode({
    requestId        = "$context.requestId"
    routeKey         = "$context.routeKey"
    status           = "$context.status"
    requestTime      = "$context.requestTimeEpoch"
    responseLength   = "$context.responseLength"
    integrationError = "$context.integrationErrorMessage"
    latencyMs        = "$context.integrationLatency"
  })
}

resource "aws_apigatewayv2_api" "this" {
  name          = "${var.name}-http"
  description   = "Publishes for backends, and reads rooms for them."
  protocol_type = "HTTP"

  tags = var.tags
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = local.serving

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = var.invoke_arns[each.key]
  payload_format_version = "2.0"

  # The function ends by itself first.
  timeout_milliseconds = min(30000, var.functions[each.key].timeout_s * 1000 + 500)
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.value].id}"
  authorization_type = "NONE"
}

# One permission for each route: a name in the path stands for any text there.
resource "aws_lambda_permission" "route" {
  for_each = local.routes

  statement_id  = "http-${replace(replace(each.key, "/[{}]/", ""), "/[^A-Za-z0-9]+/", "-")}"
  action        = "lambda:InvokeFunction"
  function_name = var.function_names[each.value]
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/${split(" ", each.key)[0]}${replace(split(" ", each.key)[1], "/{[^}]*}/", "*")}"
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  # Without numbers the provider sends 0, and every request is refused with 429.
  default_route_settings {
    throttling_rate_limit    = var.throttling_rate_limit
    throttling_burst_limit   = var.throttling_burst_limit
    detailed_metrics_enabled = var.detailed_metrics
  }

  dynamic "access_log_settings" {
    for_each = aws_cloudwatch_log_group.access

    content {
      destination_arn = access_log_settings.value.arn
      format          = local.access_log_format
    }
  }

  tags = var.tags
}

resource "aws_cloudwatch_log_group" "access" {
  count = var.access_logs ? 1 : 0

  name              = "/aws/apigateway/${var.name}-http"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}
