# SQS and SNS: queues with their dead-letter queues, topics, subscriptions, and the policies between them.

locals {
  queue_names = { for name, queue in var.queues : name => "${var.name}-${name}${queue.fifo ? ".fifo" : ""}" }
  topic_names = { for name, topic in var.topics : name => "${var.name}-${name}${topic.fifo ? ".fifo" : ""}" }

  # Queues whose dead letters each queue takes.
  dead_letter_sources = {
    for name in keys(var.queues) : name => [
      for source, queue in var.queues : source if try(queue.dead_letter.queue, null) == name
    ]
  }

  subscriptions = merge([
    for topic_name, topic in var.topics : {
      for subscription in topic.subscriptions :
      "${topic_name}/${subscription.queue}" => merge(subscription, { topic = topic_name })
    }
  ]...)

  # Topics that deliver to each queue.
  queue_topics = {
    for name in keys(var.queues) : name => distinct([
      for subscription in values(local.subscriptions) : subscription.topic if subscription.queue == name
    ])
  }

  tls_only = { Bool = { "aws:SecureTransport" = "false" } }
}

resource "aws_sqs_queue" "this" {
  for_each = var.queues

  name       = local.queue_names[each.key]
  fifo_queue = each.value.fifo

  content_based_deduplication = each.value.fifo ? each.value.content_based_deduplication : null
  deduplication_scope         = each.value.fifo ? (each.value.high_throughput ? "messageGroup" : "queue") : null
  fifo_throughput_limit       = each.value.fifo ? (each.value.high_throughput ? "perMessageGroupId" : "perQueue") : null

  visibility_timeout_seconds = each.value.visibility_timeout_s
  message_retention_seconds  = each.value.retention_s
  delay_seconds              = each.value.delay_s
  receive_wait_time_seconds  = 20

  sqs_managed_sse_enabled = true

  tags = var.tags
}

resource "aws_sqs_queue_redrive_policy" "this" {
  for_each = { for name, queue in var.queues : name => queue.dead_letter if queue.dead_letter != null }

  queue_url = aws_sqs_queue.this[each.key].url
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.this[each.value.queue].arn
    maxReceiveCount     = each.value.maximum_receive_count
  })
}

# A dead-letter queue takes messages of its own sources only; any other queue takes none.
resource "aws_sqs_queue_redrive_allow_policy" "this" {
  for_each = local.dead_letter_sources

  queue_url = aws_sqs_queue.this[each.key].url
  redrive_allow_policy = (
    length(each.value) == 0
    ? jsonencode({ redrivePermission = "denyAll" })
    : jsonencode({
      redrivePermission = "byQueue"
      sourceQueueArns   = [for source in each.value : aws_sqs_queue.this[source].arn]
    })
  )
}

resource "aws_sqs_queue_policy" "this" {
  for_each = var.queues

  queue_url = aws_sqs_queue.this[each.key].url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.this[each.key].arn
        Condition = local.tls_only
      }],
      [for topic in local.queue_topics[each.key] : {
        Sid       = "Topic${replace(title(topic), "-", "")}"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.this[each.key].arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.this[topic].arn } }
      }],
    )
  })
}

resource "aws_sns_topic" "this" {
  for_each = var.topics

  name                        = local.topic_names[each.key]
  fifo_topic                  = each.value.fifo
  content_based_deduplication = each.value.fifo ? each.value.content_based_deduplication : null
  kms_master_key_id           = var.topic_kms_key_id

  tags = var.tags
}

resource "aws_sns_topic_policy" "this" {
  for_each = var.topics

  arn = aws_sns_topic.this[each.key].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "DenyWithoutTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "sns:Publish"
          Resource  = aws_sns_topic.this[each.key].arn
          Condition = local.tls_only
        },
        {
          Sid       = "OwnAccount"
          Effect    = "Allow"
          Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
          Action    = ["sns:Publish", "sns:Subscribe", "sns:GetTopicAttributes"]
          Resource  = aws_sns_topic.this[each.key].arn
        },
      ],
      [for publishers in [lookup(var.topic_publishers, each.key, [])] : {
        Sid       = "Publishers"
        Effect    = "Allow"
        Principal = { AWS = publishers }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this[each.key].arn
      } if length(publishers) > 0],
    )
  })
}

resource "aws_sns_topic_subscription" "this" {
  for_each = local.subscriptions

  topic_arn            = aws_sns_topic.this[each.value.topic].arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.this[each.value.queue].arn
  raw_message_delivery = each.value.raw

  filter_policy       = each.value.filter_policy == null ? null : jsonencode(each.value.filter_policy)
  filter_policy_scope = each.value.filter_policy == null ? null : each.value.filter_policy_scope == "body" ? "MessageBody" : "MessageAttributes"

  # Without the policy SNS loses what is published before the queue lets it in.
  depends_on = [aws_sqs_queue_policy.this]
}
