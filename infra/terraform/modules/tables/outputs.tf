output "tables" {
  description = "Name, ARN and stream ARN of every table, by its name in the topology."
  value = {
    for name, table in aws_dynamodb_table.this : name => {
      name       = table.name
      arn        = table.arn
      stream_arn = table.stream_arn
    }
  }
}
