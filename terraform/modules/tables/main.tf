# The tables, from their one definition. The schema of the store is written in Rust; plane.json is made from it.

resource "aws_dynamodb_table" "this" {
  for_each = var.tables

  name                        = "${var.prefix}-${each.key}"
  billing_mode                = contains(keys(var.provisioned_capacity), each.key) ? "PROVISIONED" : "PAY_PER_REQUEST"
  read_capacity               = try(var.provisioned_capacity[each.key].read, null)
  write_capacity              = try(var.provisioned_capacity[each.key].write, null)
  hash_key                    = each.value.partition_key
  range_key                   = each.value.sort_key
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  dynamic "attribute" {
    for_each = each.value.attributes
    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "global_secondary_index" {
    for_each = each.value.indexes
    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.partition_key
      range_key       = global_secondary_index.value.sort_key
      projection_type = global_secondary_index.value.projection
      # DynamoDB refuses an empty list, and any list for keys alone.
      non_key_attributes = global_secondary_index.value.projection == "INCLUDE" ? global_secondary_index.value.non_key_attributes : null
      # An item is in an index at most once, so that no index needs more than its table.
      read_capacity  = try(var.provisioned_capacity[each.key].read, null)
      write_capacity = try(var.provisioned_capacity[each.key].write, null)
    }
  }

  ttl {
    enabled        = true
    attribute_name = each.value.ttl_attribute
  }

  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = var.recovery_days
  }

  # Without a key of one's own it is the account's key for DynamoDB, which nobody else can use either.
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
