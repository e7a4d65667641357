# One role a function: its grants, and what its triggers need. Lambda polls queues and streams with the same role.
#
# infra/topology derives the same permissions for the local runner; a test compares the two.

locals {
  connections_arn = "arn:${var.partition}:execute-api:${var.region}:${var.account_id}:${var.api_id}/${var.stage}"

  statements = {
    for name, function in var.functions : name => concat(
      [{
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.this[name].arn}:*"]
      }],
      [for grant in function.grants.table : {
        Effect   = "Allow"
        Action   = [for action in grant.actions : "dynamodb:${action}"]
        Resource = [var.tables[grant.table].arn]
      }],
      # An index is only read.
      [for grant in function.grants.table : {
        Effect   = "Allow"
        Action   = concat(["dynamodb:Query"], [for action in grant.actions : "dynamodb:${action}" if action == "Scan"])
        Resource = [for index in grant.indexes : "${var.tables[grant.table].arn}/index/${index}"]
      } if length(grant.indexes) > 0],
      [for grant in function.grants.queue : {
        Effect   = "Allow"
        Action   = [for action in grant.actions : "sqs:${action}"]
        Resource = [var.queues[grant.queue].arn]
      }],
      [for grant in function.grants.topic : {
        Effect   = "Allow"
        Action   = [for action in grant.actions : "sns:${action}"]
        Resource = [var.topics[grant.topic].arn]
      }],
      [for grant in function.grants.secret : {
        Effect   = "Allow"
        Action   = [for action in grant.actions : "secretsmanager:${action}"]
        Resource = [var.secrets[grant.secret].arn]
      }],
      [for grant in function.grants.websocket : {
        Effect   = "Allow"
        Action   = ["execute-api:ManageConnections"]
        Resource = [for method in grant.actions : "${local.connections_arn}/${method}/@connections/*"]
      }],
      [for trigger in function.triggers.queue : {
        Effect   = "Allow"
        Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        Resource = [var.queues[trigger.queue].arn]
      }],
      [for trigger in function.triggers.stream : {
        Effect = "Allow"
        Action = [
          "dynamodb:DescribeStream",
          "dynamodb:GetRecords",
          "dynamodb:GetShardIterator",
          "dynamodb:ListStreams",
        ]
        Resource = [var.tables[trigger.table].stream_arn]
      }],
      [for trigger in function.triggers.stream : {
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [var.queues[trigger.on_failure.queue].arn]
      } if trigger.on_failure != null],
      var.kms_key_arn == null ? [] : [{
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [var.kms_key_arn]
      }],
    )
  }
}

resource "aws_iam_role" "this" {
  for_each = var.functions

  name                 = local.names[each.key]
  description          = "What ${local.names[each.key]} may do."
  permissions_boundary = var.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  for_each = var.functions

  name   = "grants"
  role   = aws_iam_role.this[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements[each.key] })
}
