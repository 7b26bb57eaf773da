# Who may start a function, and who may write to the dead letters.

mock_provider "aws" {
  override_during = plan

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-central-1:111122223333:rule/maintenance" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-central-1:111122223333:dead-letters"
      url = "https://sqs.eu-central-1.amazonaws.com/111122223333/dead-letters"
    }
  }
}

variables {
  prefix = "hybrid-ci-staging"
  schedules = {
    maintenance = {
      expression    = "rate(1 minute)"
      function_name = "hybrid-ci-staging-maintenance"
      alias         = "live"
      alias_arn     = "arn:aws:lambda:eu-central-1:111122223333:function:maintenance:live"
    }
  }
  event_age_seconds = 60
  tags              = { project = "hybrid-ci" }
}

run "only_the_rule_starts_the_alias_and_only_it_writes_dead_letters" {
  command = plan

  assert {
    condition = alltrue([
      aws_lambda_permission.this["maintenance"].principal == "events.amazonaws.com",
      aws_lambda_permission.this["maintenance"].qualifier == "live",
      aws_lambda_permission.this["maintenance"].source_arn == aws_cloudwatch_event_rule.this["maintenance"].arn,
      aws_cloudwatch_event_target.this["maintenance"].retry_policy[0].maximum_event_age_in_seconds == 60,
    ])
    error_message = "Somebody else may start it, or it is tried otherwise."
  }
  assert {
    condition = alltrue([
      aws_sqs_queue.dead_letters.name == "hybrid-ci-staging-dead-letters",
      aws_sqs_queue.dead_letters.sqs_managed_sse_enabled,
      aws_sqs_queue.dead_letters.message_retention_seconds == 1209600,
      jsonencode(jsondecode(aws_sqs_queue_policy.dead_letters.policy).Statement[0].Condition) == jsonencode({ ArnEquals = { "aws:SourceArn" = ["arn:aws:events:eu-central-1:111122223333:rule/maintenance"] } }),
      jsondecode(aws_sqs_queue_policy.dead_letters.policy).Statement[1].Effect == "Deny",
    ])
    error_message = "The dead letters are kept otherwise, or somebody else writes to them."
  }
}
