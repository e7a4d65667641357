# The cost of an hour, estimated from what AWS counts: messages of API Gateway, most of every bill, and units of DynamoDB.
# Minutes of connections have no metric, and Lambda, SQS, logs and data out are a few percent: they are left out.

locals {
  messages = { messages = { namespace = "AWS/ApiGateway", name = "MessageCount", dimensions = local.api } }

  write_units = merge(
    { for table, name in var.table_names : "writes_${replace(table, "-", "_")}" => {
      namespace = "AWS/DynamoDB", name = "ConsumedWriteCapacityUnits", dimensions = { TableName = name }
    } },
    [for table, settings in var.tables : { for index in keys(settings.indexes) : "writes_${replace("${table}_${index}", "-", "_")}" => {
      namespace  = "AWS/DynamoDB"
      name       = "ConsumedWriteCapacityUnits"
      dimensions = { TableName = var.table_names[table], GlobalSecondaryIndexName = index }
    } }]...
  )

  read_units = { for table, name in var.table_names : "reads_${replace(table, "-", "_")}" => {
    namespace = "AWS/DynamoDB", name = "ConsumedReadCapacityUnits", dimensions = { TableName = name }
  } }

  cost_period_s = 300
  cost_metrics  = merge(local.messages, local.write_units, local.read_units)
  cost_expression = format(
    "%s / 1000000 * (%s)",
    3600 / local.cost_period_s,
    join(" + ", concat(
      [for id in keys(local.messages) : "${var.prices.messages} * FILL(${id}, 0)"],
      [for id in keys(local.write_units) : "${var.prices.write_units} * FILL(${id}, 0)"],
      [for id in keys(local.read_units) : "${var.prices.read_units} * FILL(${id}, 0)"],
    )),
  )
}
