# API Gateway: the WebSocket API, its routes, its authorizer and its stage.

locals {
  routes = merge([
    for name, function in var.functions : merge([
      for trigger in function.triggers.websocket : {
        for route in trigger.routes : route => { function = name, response = trigger.response, throttle = trigger.throttle }
      }
    ]...)
  ]...)

  authorizers = merge([
    for name, function in var.functions : {
      for trigger in function.triggers.authorizer : name => trigger
    }
  ]...)

  serving = toset([for route in values(local.routes) : route.function])

  # Never the query string or `Sec-WebSocket-Protocol`, which carry tokens, and no addresses.
  access_log_format = jsonencode({
    requestId        = "$context.requestId"
    connectionId     = "$context.connectionId"
    eventType        = "$context.eventType"
    routeKey         = "$context.routeKey"
    status           = "$context.status"
    requestTime      = "$context.requestTimeEpoch"
    connectedAt      = "$context.connectedAt"
    messageId        = "$context.messageId"
    authorizerStatus = "$context.authorizer.status"
    integrationError = "$context.integrationErrorMessage"
    latencyMs        = "$context.integrationLatency"
  })
}

resource "aws_apigatewayv2_api" "this" {
  name                       = var.name
  protocol_type              = "WEBSOCKET"
  route_selection_expression = var.websocket.route_selection_expression

  # Posts to connections go to the default endpoint, whatever domain the clients use.
  disable_execute_api_endpoint = false

  tags = var.tags
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = local.serving

  api_id                    = aws_apigatewayv2_api.this.id
  integration_type          = "AWS_PROXY"
  integration_method        = "POST"
  integration_uri           = var.invoke_arns[each.key]
  content_handling_strategy = "CONVERT_TO_TEXT"
  passthrough_behavior      = "WHEN_NO_MATCH"

  # The function ends by itself first.
  timeout_milliseconds = min(29000, var.functions[each.key].timeout_s * 1000 + 500)
}

resource "aws_apigatewayv2_authorizer" "this" {
  for_each = local.authorizers

  api_id           = aws_apigatewayv2_api.this.id
  name             = each.key
  authorizer_type  = "REQUEST"
  authorizer_uri   = var.invoke_arns[each.key]
  identity_sources = each.value.identity_sources
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.this[each.value.function].id}"

  authorization_type = each.key == "$connect" && length(local.authorizers) > 0 ? "CUSTOM" : "NONE"
  authorizer_id      = each.key == "$connect" ? one([for authorizer in aws_apigatewayv2_authorizer.this : authorizer.id]) : null

  # An answer reaches the caller only with this and with a route response.
  route_response_selection_expression = each.value.response ? "$default" : null
}

resource "aws_apigatewayv2_route_response" "this" {
  for_each = { for route, settings in local.routes : route => settings if settings.response }

  api_id             = aws_apigatewayv2_api.this.id
  route_id           = aws_apigatewayv2_route.this[each.key].id
  route_response_key = "$default"
}

resource "aws_lambda_permission" "route" {
  for_each = local.routes

  statement_id  = "route-${replace(each.key, "/[^A-Za-z0-9_-]/", "")}"
  action        = "lambda:InvokeFunction"
  function_name = var.function_names[each.value.function]
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/${var.stage}/${each.key}"
}

resource "aws_lambda_permission" "authorizer" {
  for_each = local.authorizers

  statement_id  = "authorizer"
  action        = "lambda:InvokeFunction"
  function_name = var.function_names[each.key]
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.this[each.key].id}"
}

# A route answers only once it is deployed: whatever changes one of these deploys anew.
resource "aws_apigatewayv2_deployment" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  description = "Routes of ${var.name}."

  triggers = {
    # What was asked for, not what came back: a provider may read an attribute otherwise than it wrote it.
    redeployment = sha1(jsonencode([
      var.websocket,
      { for route, settings in local.routes : route => { function = settings.function, response = settings.response } },
      local.authorizers,
      { for name in local.serving : name => [var.invoke_arns[name], var.functions[name].timeout_s] },
      [for integration in aws_apigatewayv2_integration.this : integration.id],
      [for authorizer in aws_apigatewayv2_authorizer.this : authorizer.id],
      [for route in aws_apigatewayv2_route.this : route.id],
      [for response in aws_apigatewayv2_route_response.this : response.id],
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_apigatewayv2_stage" "this" {
  api_id        = aws_apigatewayv2_api.this.id
  name          = var.stage
  deployment_id = aws_apigatewayv2_deployment.this.id

  # Without numbers the provider sends 0, and every request is refused with 429.
  default_route_settings {
    throttling_rate_limit    = var.throttling_rate_limit
    throttling_burst_limit   = var.throttling_burst_limit
    detailed_metrics_enabled = var.detailed_metrics
    data_trace_enabled       = false
    logging_level            = "OFF"
  }

  # Routes without limits of their own have those of the stage.
  dynamic "route_settings" {
    for_each = { for route, settings in local.routes : route => settings.throttle if settings.throttle != null }

    content {
      route_key                = route_settings.key
      throttling_rate_limit    = route_settings.value.rate
      throttling_burst_limit   = route_settings.value.burst
      detailed_metrics_enabled = var.detailed_metrics
      data_trace_enabled       = false
      logging_level            = "OFF"
    }
  }

  dynamic "access_log_settings" {
    for_each = aws_cloudwatch_log_group.access

    content {
      destination_arn = access_log_settings.value.arn
      format          = local.access_log_format
    }
  }

  tags = var.tags

  depends_on = [aws_api_gateway_account.this]
}

resource "aws_cloudwatch_log_group" "access" {
  count = var.access_logs ? 1 : 0

  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}
