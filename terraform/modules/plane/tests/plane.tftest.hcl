# The control plane as it is planned, compared with plane.json. Every optional part is on: both providers.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  environment                  = "staging"
  artifacts                    = "artifacts"
  github_client_id             = "Iv1.0"
  google_client_id             = "google.0"
  deletion_protection          = false
  recovery_days                = 7
  secret_recovery_days         = 7
  reserved_concurrency         = { maintenance = 2 }
  disable_execute_api_endpoint = false
  log_retention_days           = 30
  alarm_actions                = ["arn:aws:sns:eu-central-1:111122223333:alarms"]
  deployment_config            = "CodeDeployDefault.LambdaAllAtOnce"
}

run "expected" {
  command = plan
  module {
    source = "./tests/expected"
  }
}

run "roles_allow_what_the_code_does_and_nothing_else" {
  command = plan

  assert {
    condition     = toset(keys(module.function)) == toset(keys(run.expected.functions))
    error_message = "The functions differ from plane.json."
  }
  assert {
    condition = alltrue([for name, function in module.function :
      toset([for statement in function.statements : jsonencode(statement)]) == run.expected.statements[name]
    ])
    error_message = jsonencode({ for name, function in module.function : name => {
      more = setsubtract(toset([for statement in function.statements : jsonencode(statement)]), run.expected.statements[name])
      less = setsubtract(run.expected.statements[name], toset([for statement in function.statements : jsonencode(statement)]))
    } })
  }
  assert {
    condition = alltrue(flatten([for function in module.function : [for statement in function.statements : concat(
      [for action in statement.Action : !strcontains(action, "*")],
      # Customers' roles are in accounts that nobody knows before; plane.json says which.
      [!strcontains(replace(statement.Resource, ":log-stream:*", ""), "*") || contains(run.expected.granted_resources, statement.Resource)],
    )]]))
    error_message = "A role allows something by a star."
  }
}

run "tables_routes_and_variables_are_those_of_the_code" {
  command = plan

  assert {
    condition     = toset(keys(module.tables.tables)) == toset(keys(run.expected.tables))
    error_message = "The tables differ from plane.json."
  }
  assert {
    condition = alltrue([for name, table in module.tables.tables :
      table.name == "hybrid-ci-staging-${name}"
      && table.hash_key == run.expected.tables[name].partition_key
      && table.range_key == run.expected.tables[name].sort_key
      && jsonencode({ for attribute in table.attribute : attribute.name => attribute.type }) == jsonencode(run.expected.tables[name].attributes)
      && table.ttl[0].enabled && table.ttl[0].attribute_name == run.expected.tables[name].ttl_attribute
    ])
    error_message = "Keys, attributes or time to live differ from plane.json."
  }
  assert {
    condition = alltrue([for name, table in module.tables.tables :
      jsonencode({ for index in table.global_secondary_index : index.name => [index.hash_key, index.range_key, index.projection_type] })
      == jsonencode({ for key, index in run.expected.tables[name].indexes : key => [index.partition_key, index.sort_key, index.projection] })
    ])
    error_message = "Indexes differ from plane.json."
  }
  assert {
    condition = alltrue(flatten([for name, table in module.tables.tables : [for index in table.global_secondary_index :
      index.projection_type != "INCLUDE" || index.non_key_attributes == toset(run.expected.tables[name].indexes[index.name].non_key_attributes)
    ]]))
    error_message = "What an index holds besides keys differs from plane.json."
  }

  # Routes.
  assert {
    condition     = jsonencode(module.api.routes) == jsonencode(run.expected.routes)
    error_message = "Routes, or who answers them, differ from plane.json."
  }

  # Variables.
  assert {
    condition = alltrue([for name, function in module.function : length(setsubtract(
      keys(function.function.environment[0].variables), run.expected.variables[name],
    )) == 0])
    error_message = "A function is given a variable that it does not read."
  }
  # What is optional and has a value here is given too.
  assert {
    condition = alltrue([for name, function in module.function : length(setsubtract(
      setsubtract(run.expected.variables[name], keys(function.function.environment[0].variables)),
      setsubtract(run.expected.functions[name].environment.optional, ["LOG_LEVEL", "GITHUB_CLIENT_ID", "GOOGLE_CLIENT_ID"]),
    )) == 0])
    error_message = "A function lacks a variable that it reads."
  }
  assert {
    condition = alltrue([for name, function in module.function : alltrue([for table in run.expected.functions[name].tables :
      function.function.environment[0].variables[run.expected.tables[table].variable] == "hybrid-ci-staging-${table}"
    ])])
    error_message = "A variable names another table."
  }
  assert {
    condition = alltrue([for function in module.function : function.function.environment[0].variables["ENVIRONMENT"] == "test"
    && try(function.function.environment[0].variables["PUBLIC_ORIGIN"], module.api.origin) == module.api.origin])
    error_message = "ENVIRONMENT or PUBLIC_ORIGIN is wrong."
  }
}

run "functions_schedule_shifts_alarms_secrets_and_tags_are_as_documented" {
  command = plan

  assert {
    condition = alltrue([for name, function in module.function :
      function.function.runtime == "provided.al2023" && function.function.architectures == tolist(["arm64"])
      && function.function.memory_size == 256
      && function.function.timeout == (run.expected.functions[name].trigger == "http" ? 28 : 80)
      && function.function.logging_config[0].log_format == "JSON"
      && function.log_group.name == "/aws/lambda/hybrid-ci-staging-${name}" && function.log_group.retention_in_days == 30
    ])
    error_message = "A function's runtime, size or log differs."
  }
  assert {
    condition     = alltrue([for name, function in module.function : function.function.reserved_concurrent_executions == (name == "maintenance" ? 2 : -1)])
    error_message = "Reserved concurrency differs."
  }

  # The schedule.
  assert {
    condition = alltrue([
      toset(keys(module.schedule.rules)) == toset(["maintenance", "orchestrator"]),
      module.schedule.rules["maintenance"].schedule_expression == "rate(1 minute)",
      module.schedule.rules["maintenance"].state == "ENABLED",
      module.schedule.targets["maintenance"].arn == module.function["maintenance"].alias.arn,
      module.schedule.targets["maintenance"].retry_policy[0].maximum_retry_attempts == 0,
      module.schedule.targets["maintenance"].dead_letter_config[0].arn == module.schedule.dead_letters.arn,
    ])
    error_message = "The schedule differs."
  }

  # Aliases, and what moves them.
  assert {
    condition     = alltrue([for function in module.function : function.alias.name == "live"])
    error_message = "An alias is not called live."
  }
  assert {
    condition = alltrue([for name, group in aws_codedeploy_deployment_group.this :
      group.alarm_configuration[0].enabled
      && group.alarm_configuration[0].alarms == toset(concat(
        ["hybrid-ci-staging-${name}-errors", "hybrid-ci-staging-${name}-duration"],
        run.expected.functions[name].trigger == "schedule" ? [] : ["hybrid-ci-staging-api-5xx"],
      ))
      && group.auto_rollback_configuration[0].enabled
      && contains(group.auto_rollback_configuration[0].events, "DEPLOYMENT_STOP_ON_ALARM")
      && group.deployment_style[0].deployment_option == "WITH_TRAFFIC_CONTROL"
    ])
    error_message = "A deployment group does not roll back on its alarms."
  }
  assert {
    condition     = toset(keys(aws_codedeploy_deployment_group.this)) == toset(keys(run.expected.functions))
    error_message = "A function has no deployment group."
  }
  assert {
    condition     = alltrue([for route in module.api.integrations : endswith(route.integration_uri, ":live/invocations")])
    error_message = "The API calls something else than the alias."
  }

  # Alarms.
  assert {
    condition     = toset(keys(module.observability.alarms)) == run.expected.alarms
    error_message = "Alarms are missing, or there are more."
  }
  assert {
    condition = alltrue([for key, alarm in module.observability.alarms :
      alarm.alarm_name == "hybrid-ci-staging-${key}"
      && alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:111122223333:alarms"])
      && !strcontains(length(alarm.metric_query) == 0 ? jsonencode(alarm.dimensions) : jsonencode(alarm.metric_query[*].expression), "$${")
      && !strcontains(alarm.alarm_description, "$${")
    ])
    error_message = "An alarm tells nobody, or holds a placeholder."
  }

  # Secrets.
  # That no resource gives them one is a test of the project's own rules, as a plan cannot show what is not there.
  assert {
    condition = jsonencode({ for variable, secret in aws_secretsmanager_secret.this : variable => secret.name }) == jsonencode({
      GITHUB_CLIENT_SECRET_ARN    = "hybrid-ci-staging/github-client-secret"
      GOOGLE_CLIENT_SECRET_ARN    = "hybrid-ci-staging/google-client-secret"
      HMAC_KEY_ENCRYPTION_KEY_ARN = "hybrid-ci-staging/hmac-key-encryption-key"
    })
    error_message = "The secrets differ."
  }
  assert {
    condition = alltrue(flatten([for function in module.function : [for name in keys(function.function.environment[0].variables) :
      !endswith(name, "_SECRET") && !endswith(name, "_ENCRYPTION_KEY")
    ]]))
    error_message = "A variable holds a secret itself."
  }

  # Tags.
  assert {
    condition = alltrue([for tags in concat(
      values(module.tables.tables)[*].tags,
      [for function in module.function : function.function.tags],
      [for function in module.function : function.role.tags],
      [for function in module.function : function.log_group.tags],
      values(module.observability.alarms)[*].tags,
      values(aws_secretsmanager_secret.this)[*].tags,
      values(aws_codedeploy_deployment_group.this)[*].tags,
      values(module.schedule.rules)[*].tags,
      [module.api.api.tags, module.api.stage.tags, module.schedule.dead_letters.tags, aws_codedeploy_app.this.tags, aws_iam_role.codedeploy.tags],
    ) : tags == tomap({ project = "hybrid-ci", environment = "staging", managed-by = "terraform" })])
    error_message = "Something is not tagged."
  }
}

run "production_takes_live_credentials" {
  command = plan

  variables {
    environment = "production"
  }

  assert {
    condition     = alltrue([for function in module.function : function.function.environment[0].variables["ENVIRONMENT"] == "live"])
    error_message = "ENVIRONMENT is not live."
  }
  assert {
    condition     = strcontains(one(module.observability.alarms["queue-oldest-wait"].metric_query).expression, "environment = 'live'")
    error_message = "The alarms look at another environment's metrics."
  }
}

run "what_is_off_has_neither_secret_nor_variable_nor_permission" {
  command = plan

  variables {
    google_client_id = null
  }

  assert {
    condition     = toset(keys(aws_secretsmanager_secret.this)) == toset(["GITHUB_CLIENT_SECRET_ARN", "HMAC_KEY_ENCRYPTION_KEY_ARN"])
    error_message = "There is a secret for what is off."
  }
  assert {
    condition = alltrue([for name in ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET_ARN"] :
      !contains(keys(module.function["auth"].function.environment[0].variables), name)
    ])
    error_message = "auth is told of a provider that is off."
  }
  assert {
    condition     = length([for statement in module.function["auth"].statements : statement if strcontains(jsonencode(statement), "secretsmanager")]) == 1
    error_message = "auth may read a secret that there is not."
  }
}

run "a_key_of_ones_own_is_used_and_allowed" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/own"
  }

  assert {
    condition = alltrue([for name, function in module.function :
      toset([for statement in function.statements : jsonencode(statement)]) == setunion(run.expected.statements[name], [run.expected.key_statement[name]])
    ])
    error_message = "A role does not allow the key, or allows more."
  }
  assert {
    condition = alltrue(concat(
      [for table in module.tables.tables : table.server_side_encryption[0].kms_key_arn == var.kms_key_arn],
      [for secret in aws_secretsmanager_secret.this : secret.kms_key_id == var.kms_key_arn],
      [for function in module.function : function.log_group.kms_key_id == var.kms_key_arn],
    ))
    error_message = "Something is encrypted with another key."
  }
}

run "while_two_releases_run_the_roles_allow_what_either_does" {
  command = plan

  variables {
    previous_plane = "./tests/previous.json"
  }

  assert {
    condition = toset([for statement in module.function["queue"].statements : jsonencode(statement)]) == setunion(
      # A whole permission that is no more.
      [jsonencode({ Effect = "Allow", Action = ["dynamodb:Query"], Resource = "arn:aws:dynamodb:eu-central-1:111122223333:table/people/index/gone" })],
      run.expected.statements["queue"],
    )
    error_message = "The role of queue does not allow what the release before does, or allows more."
  }
  assert {
    condition     = toset([for statement in module.function["auth"].statements : jsonencode(statement)]) == run.expected.statements["auth"]
    error_message = "The role of auth has changed."
  }
}

run "a_release_role_brings_code_and_reads_nothing" {
  command = plan

  variables {
    release_role = {
      oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subject           = "repo:example/ci:environment:staging"
    }
  }

  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.release[0].policy).Statement : statement.Action])) == toset([
      "lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:ListVersionsByFunction",
      "lambda:PublishVersion", "lambda:UpdateFunctionCode",
      "codedeploy:CreateDeployment", "codedeploy:GetDeployment", "codedeploy:StopDeployment",
      "codedeploy:GetApplicationRevision", "codedeploy:RegisterApplicationRevision", "codedeploy:GetDeploymentConfig",
    ])
    error_message = "The release role may do something else."
  }
  assert {
    condition     = !strcontains(replace(aws_iam_role_policy.release[0].policy, "/function:[a-z]+:\\*/", ""), "*")
    error_message = "The release role allows something by a star, other than versions of the functions."
  }
  assert {
    condition     = jsondecode(aws_iam_role.release[0].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example/ci:environment:staging"
    error_message = "Somebody else may release."
  }
}

run "nobody_could_sign_in" {
  command = plan

  variables {
    github_client_id = null
    google_client_id = null
  }

  expect_failures = [var.google_client_id]
}

run "a_secret_is_no_setting" {
  command = plan

  variables {
    settings = { GITHUB_CLIENT_SECRET = "no" }
  }

  expect_failures = [var.settings]
}

