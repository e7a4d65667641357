# DynamoDB: on demand, encrypted, with streams, expiry and indexes of the topology.

locals {
  # Every key attribute of a table and its indexes, once.
  attributes = {
    for name, table in var.tables : name => {
      for key in concat(
        [table.partition_key],
        table.sort_key == null ? [] : [table.sort_key],
        flatten([
          for index in values(table.indexes) : concat(
            [index.partition_key],
            index.sort_key == null ? [] : [index.sort_key],
          )
        ]),
      ) : key.name => key.type...
    }
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = var.tables

  name         = "${var.name}-${each.key}"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = each.value.partition_key.name
  range_key    = try(each.value.sort_key.name, null)

  stream_enabled   = each.value.stream != null
  stream_view_type = each.value.stream == null ? null : upper(each.value.stream)

  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = local.attributes[each.key]

    content {
      name = attribute.key
      type = attribute.value[0]
    }
  }

  dynamic "global_secondary_index" {
    for_each = each.value.indexes

    content {
      name               = global_secondary_index.key
      hash_key           = global_secondary_index.value.partition_key.name
      range_key          = try(global_secondary_index.value.sort_key.name, null)
      projection_type    = upper(global_secondary_index.value.projection.type)
      non_key_attributes = length(global_secondary_index.value.projection.include) == 0 ? null : global_secondary_index.value.projection.include
    }
  }

  dynamic "ttl" {
    for_each = each.value.ttl == null ? [] : [each.value.ttl]

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }

  tags = var.tags
}
