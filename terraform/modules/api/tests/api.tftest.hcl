# What of the API can be chosen.

mock_provider "aws" {
  override_during = plan

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "api0"
      api_endpoint  = "https://api0.execute-api.eu-central-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:eu-central-1:111122223333:api0"
    }
  }
  mock_resource "aws_apigatewayv2_integration" {
    defaults = { id = "integration0" }
  }
  mock_resource "aws_apigatewayv2_stage" {
    defaults = { id = "stage0" }
  }
  mock_resource "aws_apigatewayv2_domain_name" {
    defaults = { id = "ci.example.com" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:access" }
  }
  mock_data "aws_api_gateway_domain_name" {
    defaults = { regional_domain_name = "d-example.execute-api.eu-central-1.amazonaws.com", regional_zone_id = "Z0" }
  }
}

variables {
  prefix = "hybrid-ci-staging"
  functions = {
    queue = {
      routes        = ["GET /api/queue/jobs", "POST /api/queue/claim"]
      function_name = "hybrid-ci-staging-queue"
      alias         = "live"
      invoke_arn    = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:queue:live/invocations"
    }
  }
  throttles = {
    default = { rate = 2000, burst = 1000 }
    routes  = { "POST /api/queue/claim" = { rate = 5, burst = 10 } }
  }
  access_log                   = { requestId = "$context.requestId" }
  disable_execute_api_endpoint = false
  log_retention_days           = 30
  tags                         = { project = "hybrid-ci" }
}

run "without_a_domain_it_is_reached_at_its_own_endpoint" {
  command = plan

  assert {
    condition     = output.origin == "https://api0.execute-api.eu-central-1.amazonaws.com" && !aws_apigatewayv2_api.this.disable_execute_api_endpoint
    error_message = "The origin is not the API's endpoint."
  }
  assert {
    condition     = length(aws_apigatewayv2_domain_name.this) == 0 && length(aws_route53_record.this) == 0 && output.domain_target == null
    error_message = "There is a domain."
  }
  assert {
    condition = alltrue([
      aws_apigatewayv2_stage.default.name == "$default",
      aws_apigatewayv2_stage.default.default_route_settings[0].throttling_rate_limit == 2000,
      aws_apigatewayv2_stage.default.default_route_settings[0].throttling_burst_limit == 1000,
      one([for route in aws_apigatewayv2_stage.default.route_settings : route if route.route_key == "POST /api/queue/claim"]).throttling_rate_limit == 5,
      one([for route in aws_apigatewayv2_stage.default.route_settings : route if route.route_key == "POST /api/queue/claim"]).throttling_burst_limit == 10,
    ])
    error_message = "Routes are throttled otherwise."
  }
  assert {
    condition = alltrue([
      jsondecode(aws_apigatewayv2_stage.default.access_log_settings[0].format) == { requestId = "$context.requestId" },
      aws_apigatewayv2_stage.default.access_log_settings[0].destination_arn == aws_cloudwatch_log_group.access.arn,
      aws_cloudwatch_log_group.access.retention_in_days == 30,
    ])
    error_message = "Accesses are logged otherwise."
  }
  assert {
    condition = alltrue([
      aws_apigatewayv2_integration.this["queue"].payload_format_version == "2.0",
      aws_apigatewayv2_integration.this["queue"].integration_uri == var.functions["queue"].invoke_arn,
      aws_lambda_permission.this["queue"].qualifier == "live",
      aws_lambda_permission.this["queue"].source_arn == "arn:aws:execute-api:eu-central-1:111122223333:api0/*/*",
    ])
    error_message = "It calls something else, or somebody else may call."
  }
}

run "with_a_domain_its_own_endpoint_can_be_off" {
  command = plan

  variables {
    disable_execute_api_endpoint = true
    domain = {
      name            = "ci.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/0"
      zone_id         = "Z1"
    }
  }

  assert {
    condition     = aws_apigatewayv2_api.this.disable_execute_api_endpoint && output.origin == "https://ci.example.com"
    error_message = "It is still reached at its own endpoint."
  }
  assert {
    condition = alltrue([
      aws_apigatewayv2_domain_name.this[0].domain_name == "ci.example.com",
      aws_apigatewayv2_domain_name.this[0].domain_name_configuration[0].security_policy == "TLS_1_2",
      aws_apigatewayv2_domain_name.this[0].tags == tomap({ project = "hybrid-ci" }),
      aws_apigatewayv2_api_mapping.this[0].stage == "stage0",
      toset(keys(aws_route53_record.this)) == toset(["A", "AAAA"]),
      aws_route53_record.this["A"].name == "ci.example.com",
    ])
    error_message = "The domain does not lead to the API."
  }
}

run "its_own_endpoint_cannot_be_off_without_a_domain" {
  command = plan

  variables {
    disable_execute_api_endpoint = true
  }

  expect_failures = [aws_apigatewayv2_api.this]
}

run "a_header_in_the_access_log_is_refused" {
  command = plan

  variables {
    # A credential comes in a header, or in the address to which a provider sends somebody back.
    access_log = { requestId = "$context.requestId", token = "$context.requestOverride.header.authorization" }
  }

  expect_failures = [var.access_log]
}

run "a_throttle_of_no_route_is_refused" {
  command = plan

  variables {
    throttles = {
      default = { rate = 2000, burst = 1000 }
      routes  = { "POST /api/queue/clam" = { rate = 5, burst = 10 } }
    }
  }

  expect_failures = [aws_apigatewayv2_stage.default]
}
