# What of a function can be chosen. What its role allows is tested with the whole control plane.

mock_provider "aws" {
  override_during = plan

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/queue" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:queue" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:queue", version = "7" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
}

variables {
  name                    = "hybrid-ci-staging-queue"
  description             = "The function queue."
  package_file            = "queue.zip"
  memory_mb               = 256
  timeout_seconds         = 28
  environment             = { ENVIRONMENT = "test" }
  permissions             = [{ resource = "arn:aws:dynamodb:eu-central-1:111122223333:table/jobs", actions = ["dynamodb:GetItem"] }]
  log_retention_days      = 30
  reserved_concurrency    = 300
  provisioned_concurrency = 5
  tags                    = { project = "hybrid-ci" }
}

run "its_versions_are_published_and_its_alias_is_what_is_kept_ready" {
  command = plan

  assert {
    condition = alltrue([
      aws_lambda_function.this.publish,
      aws_lambda_function.this.filename == "queue.zip",
      aws_lambda_function.this.reserved_concurrent_executions == 300,
      aws_lambda_alias.live.name == "live",
      aws_lambda_alias.live.function_version == "7",
      aws_lambda_provisioned_concurrency_config.this[0].qualifier == "live",
      aws_lambda_provisioned_concurrency_config.this[0].provisioned_concurrent_executions == 5,
      length(aws_lambda_function_event_invoke_config.this) == 0,
    ])
    error_message = "Versions, alias or concurrency differ."
  }
  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal.Service == "lambda.amazonaws.com"
    error_message = "Somebody else may take the role."
  }
}

run "an_event_that_fails_goes_to_the_dead_letters" {
  command = plan

  variables {
    provisioned_concurrency = 0
    asynchronous = {
      retries               = 0
      event_age_seconds     = 60
      dead_letter_queue_arn = "arn:aws:sqs:eu-central-1:111122223333:dead-letters"
    }
  }

  assert {
    condition = alltrue([
      length(aws_lambda_provisioned_concurrency_config.this) == 0,
      aws_lambda_function_event_invoke_config.this[0].qualifier == "live",
      aws_lambda_function_event_invoke_config.this[0].maximum_retry_attempts == 0,
      aws_lambda_function_event_invoke_config.this[0].maximum_event_age_in_seconds == 60,
      aws_lambda_function_event_invoke_config.this[0].destination_config[0].on_failure[0].destination == var.asynchronous.dead_letter_queue_arn,
    ])
    error_message = "A failed event goes elsewhere."
  }
}

run "an_action_with_a_star_is_refused" {
  command = plan

  variables {
    permissions = [{ resource = "arn:aws:dynamodb:eu-central-1:111122223333:table/jobs", actions = ["dynamodb:*"] }]
  }

  expect_failures = [var.permissions]
}
