# What AWS would answer. Every name stands in its ARN, so that no two are equal and a mix-up is seen.

mock_data "aws_region" {
  defaults = { region = "eu-central-1" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "111122223333" }
}

mock_data "aws_api_gateway_domain_name" {
  defaults = { regional_domain_name = "d-example.execute-api.eu-central-1.amazonaws.com", regional_zone_id = "Z0" }
}

override_resource {
  target = module.tables.aws_dynamodb_table.this["jobs"]
  values = {
    arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/jobs"
  }
}

override_resource {
  target = module.tables.aws_dynamodb_table.this["agents"]
  values = {
    arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/agents"
  }
}

override_resource {
  target = module.tables.aws_dynamodb_table.this["deployments"]
  values = {
    arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/deployments"
  }
}

override_resource {
  target = module.tables.aws_dynamodb_table.this["credentials"]
  values = {
    arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/credentials"
  }
}

override_resource {
  target = module.tables.aws_dynamodb_table.this["people"]
  values = {
    arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/people"
  }
}

override_resource {
  target = module.tables.aws_dynamodb_table.this["sessions"]
  values = {
    arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/sessions"
  }
}

override_resource {
  target = module.tables.aws_dynamodb_table.this["audit"]
  values = {
    arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/audit"
  }
}

override_resource {
  target = module.tables.aws_dynamodb_table.this["relays"]
  values = {
    arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/relays"
  }
}

override_resource {
  target = module.function["queue"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::111122223333:role/queue"
  }
}

override_resource {
  target = module.function["queue"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:queue"
  }
}

override_resource {
  target = module.function["queue"].aws_lambda_function.this
  values = {
    arn     = "arn:aws:lambda:eu-central-1:111122223333:function:queue"
    version = "1"
  }
}

override_resource {
  target = module.function["queue"].aws_lambda_alias.live
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:queue:live"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:queue:live/invocations"
  }
}

override_resource {
  target = aws_codedeploy_deployment_group.this["queue"]
  values = {
    arn = "arn:aws:codedeploy:eu-central-1:111122223333:deploymentgroup:plane/queue"
  }
}

override_resource {
  target = module.api.aws_apigatewayv2_integration.this["queue"]
  values = {
    id = "integration-queue"
  }
}

override_resource {
  target = module.function["agents"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::111122223333:role/agents"
  }
}

override_resource {
  target = module.function["agents"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:agents"
  }
}

override_resource {
  target = module.function["agents"].aws_lambda_function.this
  values = {
    arn     = "arn:aws:lambda:eu-central-1:111122223333:function:agents"
    version = "1"
  }
}

override_resource {
  target = module.function["agents"].aws_lambda_alias.live
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:agents:live"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:agents:live/invocations"
  }
}

override_resource {
  target = aws_codedeploy_deployment_group.this["agents"]
  values = {
    arn = "arn:aws:codedeploy:eu-central-1:111122223333:deploymentgroup:plane/agents"
  }
}

override_resource {
  target = module.api.aws_apigatewayv2_integration.this["agents"]
  values = {
    id = "integration-agents"
  }
}

override_resource {
  target = module.function["dashboard"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::111122223333:role/dashboard"
  }
}

override_resource {
  target = module.function["dashboard"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:dashboard"
  }
}

override_resource {
  target = module.function["dashboard"].aws_lambda_function.this
  values = {
    arn     = "arn:aws:lambda:eu-central-1:111122223333:function:dashboard"
    version = "1"
  }
}

override_resource {
  target = module.function["dashboard"].aws_lambda_alias.live
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:dashboard:live"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:dashboard:live/invocations"
  }
}

override_resource {
  target = aws_codedeploy_deployment_group.this["dashboard"]
  values = {
    arn = "arn:aws:codedeploy:eu-central-1:111122223333:deploymentgroup:plane/dashboard"
  }
}

override_resource {
  target = module.api.aws_apigatewayv2_integration.this["dashboard"]
  values = {
    id = "integration-dashboard"
  }
}

override_resource {
  target = module.function["relays"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::111122223333:role/relays"
  }
}

override_resource {
  target = module.function["relays"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:relays"
  }
}

override_resource {
  target = module.function["relays"].aws_lambda_function.this
  values = {
    arn     = "arn:aws:lambda:eu-central-1:111122223333:function:relays"
    version = "1"
  }
}

override_resource {
  target = module.function["relays"].aws_lambda_alias.live
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:relays:live"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:relays:live/invocations"
  }
}

override_resource {
  target = aws_codedeploy_deployment_group.this["relays"]
  values = {
    arn = "arn:aws:codedeploy:eu-central-1:111122223333:deploymentgroup:plane/relays"
  }
}

override_resource {
  target = module.api.aws_apigatewayv2_integration.this["relays"]
  values = {
    id = "integration-relays"
  }
}

override_resource {
  target = module.function["auth"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::111122223333:role/auth"
  }
}

override_resource {
  target = module.function["auth"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:auth"
  }
}

override_resource {
  target = module.function["auth"].aws_lambda_function.this
  values = {
    arn     = "arn:aws:lambda:eu-central-1:111122223333:function:auth"
    version = "1"
  }
}

override_resource {
  target = module.function["auth"].aws_lambda_alias.live
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:auth:live"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:auth:live/invocations"
  }
}

override_resource {
  target = aws_codedeploy_deployment_group.this["auth"]
  values = {
    arn = "arn:aws:codedeploy:eu-central-1:111122223333:deploymentgroup:plane/auth"
  }
}

override_resource {
  target = module.api.aws_apigatewayv2_integration.this["auth"]
  values = {
    id = "integration-auth"
  }
}

override_resource {
  target = module.function["maintenance"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::111122223333:role/maintenance"
  }
}

override_resource {
  target = module.function["maintenance"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:maintenance"
  }
}

override_resource {
  target = module.function["maintenance"].aws_lambda_function.this
  values = {
    arn     = "arn:aws:lambda:eu-central-1:111122223333:function:maintenance"
    version = "1"
  }
}

override_resource {
  target = module.function["maintenance"].aws_lambda_alias.live
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:maintenance:live"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:maintenance:live/invocations"
  }
}

override_resource {
  target = aws_codedeploy_deployment_group.this["maintenance"]
  values = {
    arn = "arn:aws:codedeploy:eu-central-1:111122223333:deploymentgroup:plane/maintenance"
  }
}

override_resource {
  target = aws_secretsmanager_secret.this["GITHUB_CLIENT_SECRET_ARN"]
  values = {
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:github-client-secret-AbCdEf"
  }
}

override_resource {
  target = aws_secretsmanager_secret.this["GOOGLE_CLIENT_SECRET_ARN"]
  values = {
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:google-client-secret-AbCdEf"
  }
}

override_resource {
  target = aws_secretsmanager_secret.this["HMAC_KEY_ENCRYPTION_KEY_ARN"]
  values = {
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:hmac-key-encryption-key-AbCdEf"
  }
}

override_resource {
  target = module.api.aws_apigatewayv2_api.this
  values = {
    id            = "api0"
    api_endpoint  = "https://api0.execute-api.eu-central-1.amazonaws.com"
    execution_arn = "arn:aws:execute-api:eu-central-1:111122223333:api0"
  }
}

override_resource {
  target = module.api.aws_apigatewayv2_stage.default
  values = {
    id = "stage0"
  }
}

override_resource {
  target = module.api.aws_cloudwatch_log_group.access
  values = {
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:access"
  }
}

override_resource {
  target = module.schedule.aws_sqs_queue.dead_letters
  values = {
    arn = "arn:aws:sqs:eu-central-1:111122223333:dead-letters"
    url = "https://sqs.eu-central-1.amazonaws.com/111122223333/dead-letters"
  }
}

override_resource {
  target = module.schedule.aws_cloudwatch_event_rule.this["maintenance"]
  values = {
    arn = "arn:aws:events:eu-central-1:111122223333:rule/maintenance"
  }
}

override_resource {
  target = aws_iam_role.codedeploy
  values = {
    arn = "arn:aws:iam::111122223333:role/codedeploy"
  }
}

override_resource {
  target = aws_codedeploy_app.this
  values = {
    arn = "arn:aws:codedeploy:eu-central-1:111122223333:application:plane"
  }
}

override_resource {
  target = module.function["orchestrator"].aws_iam_role.this
  values = {
    arn = "arn:aws:iam::111122223333:role/orchestrator"
  }
}

override_resource {
  target = module.function["orchestrator"].aws_cloudwatch_log_group.this
  values = {
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:orchestrator"
  }
}

override_resource {
  target = module.function["orchestrator"].aws_lambda_function.this
  values = {
    arn     = "arn:aws:lambda:eu-central-1:111122223333:function:orchestrator"
    version = "1"
  }
}

override_resource {
  target = module.function["orchestrator"].aws_lambda_alias.live
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:orchestrator:live"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:orchestrator:live/invocations"
  }
}

override_resource {
  target = aws_codedeploy_deployment_group.this["orchestrator"]
  values = {
    arn = "arn:aws:codedeploy:eu-central-1:111122223333:deploymentgroup:plane/orchestrator"
  }
}

override_resource {
  target = module.schedule.aws_cloudwatch_event_rule.this["orchestrator"]
  values = {
    arn = "arn:aws:events:eu-central-1:111122223333:rule/orchestrator"
  }
}
