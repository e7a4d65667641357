output "queues" {
  description = "Name, URL and ARN of every queue, by its name in the topology."
  value = {
    for name, queue in aws_sqs_queue.this : name => {
      name = queue.name
      url  = queue.url
      arn  = queue.arn
    }
  }
}

output "topics" {
  description = "Name and ARN of every topic, by its name in the topology."
  value = {
    for name, topic in aws_sns_topic.this : name => {
      name = topic.name
      arn  = topic.arn
    }
  }
}
