# What this environment has. That it is the control plane of plane.json is tested with modules/plane.

mock_provider "aws" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  region           = "eu-central-1"
  github_client_id = "Iv1.0"
  alarm_actions    = ["arn:aws:sns:eu-central-1:111122223333:alarms"]
  domain           = { name = "ci.example.com", certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/0" }
}

run "production_is_protected" {
  command = plan

  assert {
    condition     = alltrue([for table in module.plane.tables : table.deletion_protection_enabled && startswith(table.name, "hybrid-ci-production-")])
    error_message = "Tables are not protected from deletion."
  }
  assert {
    condition     = alltrue([for table in module.plane.tables : table.point_in_time_recovery[0].recovery_period_in_days == 35 && table.billing_mode == "PAY_PER_REQUEST"])
    error_message = "Recovery or capacity of the tables differs."
  }
  assert {
    condition     = alltrue([for function in module.plane.functions : function.log_group.retention_in_days == 365])
    error_message = "Logs are not kept for a year."
  }
  assert {
    condition     = alltrue([for function in module.plane.functions : function.function.reserved_concurrent_executions > 0])
    error_message = "A function can use up the concurrency of the others."
  }
  # An account has 1,000 unless it was given more, and Lambda keeps 100 of them unreserved.
  assert {
    condition     = sum([for function in module.plane.functions : function.function.reserved_concurrent_executions]) <= 900
    error_message = "More concurrency is reserved than an account has."
  }
  assert {
    condition     = alltrue([for function in module.plane.functions : function.function.environment[0].variables["ENVIRONMENT"] == "live"])
    error_message = "Production takes test credentials."
  }
  assert {
    condition     = module.plane.api.disable_execute_api_endpoint && output.origin == "https://ci.example.com"
    error_message = "It is reached at another place than its domain."
  }
  assert {
    condition     = alltrue([for group in module.plane.deployment_groups : group.deployment_config_name == "CodeDeployDefault.LambdaCanary10Percent5Minutes"])
    error_message = "Releases are shifted all at once."
  }
  assert {
    condition     = alltrue([for alarm in module.plane.alarms : alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:111122223333:alarms"])])
    error_message = "An alarm tells nobody."
  }
}
