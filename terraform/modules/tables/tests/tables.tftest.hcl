# What of the tables can be chosen. That they are those of the code is tested with the whole control plane.

mock_provider "aws" {
  override_during = plan
}

variables {
  prefix = "hybrid-ci-staging"
  tables = {
    jobs = {
      partition_key = "pk"
      sort_key      = "sk"
      ttl_attribute = "expires_at_seconds"
      attributes    = { pk = "S", sk = "S", rpk = "S", rsk = "S" }
      indexes       = { ready = { partition_key = "rpk", sort_key = "rsk", projection = "KEYS_ONLY" } }
    }
    audit = {
      partition_key = "pk"
      sort_key      = "sk"
      ttl_attribute = "expires_at_seconds"
      attributes    = { pk = "S", sk = "S" }
      indexes       = {}
    }
  }
  deletion_protection  = true
  recovery_days        = 35
  provisioned_capacity = { jobs = { read = 200, write = 100 } }
  tags                 = { project = "hybrid-ci" }
}

run "a_table_is_on_demand_unless_it_has_units" {
  command = plan

  assert {
    condition = alltrue([
      aws_dynamodb_table.this["audit"].billing_mode == "PAY_PER_REQUEST",
      aws_dynamodb_table.this["jobs"].billing_mode == "PROVISIONED",
      aws_dynamodb_table.this["jobs"].read_capacity == 200,
      aws_dynamodb_table.this["jobs"].write_capacity == 100,
      one(aws_dynamodb_table.this["jobs"].global_secondary_index).write_capacity == 100,
    ])
    error_message = "Capacity differs."
  }
  assert {
    condition = alltrue([for table in aws_dynamodb_table.this :
      table.deletion_protection_enabled && table.point_in_time_recovery[0].enabled
      && table.point_in_time_recovery[0].recovery_period_in_days == 35
      && table.server_side_encryption[0].enabled && table.tags == tomap({ project = "hybrid-ci" })
    ])
    error_message = "A table is not protected."
  }
}

run "units_of_no_table_are_refused" {
  command = plan

  variables {
    provisioned_capacity = { job = { read = 200, write = 100 } }
  }

  expect_failures = [var.provisioned_capacity]
}
