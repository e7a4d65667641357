# Receivers of alarms. Email addresses share a topic; topics of the caller are notified as they are.

locals {
  receivers = { pages = var.pages, tickets = var.tickets }

  emails = {
    for kind, receivers in local.receivers : kind => [for receiver in receivers : receiver if !startswith(receiver, "arn:")]
  }

  # Topics for the kinds that have an address.
  topics = toset([for kind, emails in local.emails : kind if var.alarms && length(emails) > 0])

  subscriptions = merge([
    for kind in local.topics : { for email in local.emails[kind] : "${kind}/${email}" => { kind = kind, email = email } }
  ]...)

  actions = {
    for kind, receivers in local.receivers : kind => concat(
      [for receiver in receivers : receiver if startswith(receiver, "arn:")],
      [for topic in local.topics : aws_sns_topic.this[topic].arn if topic == kind],
    )
  }
}

resource "aws_sns_topic" "this" {
  for_each = local.topics

  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.topic_kms_key_id

  tags = var.tags
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.topics

  arn = aws_sns_topic.this[each.key].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this[each.key].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this[each.key].arn
        Condition = {
          StringEquals = { "aws:SourceAccount" = var.account_id }
          ArnLike      = { "aws:SourceArn" = "arn:${var.partition}:cloudwatch:${var.region}:${var.account_id}:alarm:${var.name}-*" }
        }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "this" {
  for_each = local.subscriptions

  topic_arn = aws_sns_topic.this[each.value.kind].arn
  protocol  = "email"
  endpoint  = each.value.email
}
