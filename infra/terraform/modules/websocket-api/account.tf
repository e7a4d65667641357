# The role with which API Gateway writes logs: one for each account and Region, so only one deployment may manage it.

resource "aws_iam_role" "logging" {
  count = var.manage_logging_role ? 1 : 0

  name                 = "${var.name}-apigateway-logs"
  description          = "Lets API Gateway write access logs."
  permissions_boundary = var.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "apigateway.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  tags = var.tags
}

resource "aws_iam_role_policy_attachment" "logging" {
  count = var.manage_logging_role ? 1 : 0

  role       = aws_iam_role.logging[0].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "this" {
  count = var.manage_logging_role ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.logging[0].arn

  depends_on = [aws_iam_role_policy_attachment.logging]
}
