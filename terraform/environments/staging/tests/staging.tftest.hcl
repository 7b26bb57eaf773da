# What this environment has. That it is the control plane of plane.json is tested with modules/plane.

mock_provider "aws" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  region           = "eu-central-1"
  github_client_id = "Iv1.0"
  alarm_actions    = ["arn:aws:sns:eu-central-1:111122223333:alarms"]
}

run "staging_can_be_thrown_away" {
  command = plan

  assert {
    condition     = alltrue([for table in module.plane.tables : !table.deletion_protection_enabled && startswith(table.name, "hybrid-ci-staging-")])
    error_message = "Tables are protected from deletion."
  }
  assert {
    condition     = alltrue([for table in module.plane.tables : table.point_in_time_recovery[0].recovery_period_in_days == 7 && table.billing_mode == "PAY_PER_REQUEST"])
    error_message = "Recovery or capacity of the tables differs."
  }
  assert {
    condition     = alltrue([for function in module.plane.functions : function.log_group.retention_in_days == 30])
    error_message = "Logs are kept longer."
  }
  assert {
    condition     = alltrue([for name, function in module.plane.functions : function.function.reserved_concurrent_executions == (name == "maintenance" ? 2 : -1)])
    error_message = "Concurrency is reserved."
  }
  assert {
    condition     = alltrue([for function in module.plane.functions : function.function.environment[0].variables["ENVIRONMENT"] == "test"])
    error_message = "Staging takes live credentials."
  }
  assert {
    condition     = !module.plane.api.disable_execute_api_endpoint && output.origin == module.plane.api.api_endpoint
    error_message = "It is not reached at its own endpoint."
  }
  assert {
    condition     = alltrue([for group in module.plane.deployment_groups : group.deployment_config_name == "CodeDeployDefault.LambdaAllAtOnce"])
    error_message = "Releases are shifted otherwise."
  }
}
