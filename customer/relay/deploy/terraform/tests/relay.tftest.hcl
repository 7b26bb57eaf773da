# Who is let in, and what each may do: exactly, so that a permission more is a failure.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "444455556666" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:444455556666:function:hybrid-relay-webhooks", invoke_arn = "arn:invoke" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::444455556666:role/mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:444455556666:log-group:relay" }
  }
  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-central-1:444455556666:rule/heartbeat" }
  }
}

override_resource {
  override_during = plan
  target          = aws_sqs_queue.inbound
  values = {
    arn = "arn:aws:sqs:eu-central-1:444455556666:hybrid-ci-webhooks-inbound"
    url = "https://sqs.eu-central-1.amazonaws.com/444455556666/hybrid-ci-webhooks-inbound"
  }
}

override_resource {
  override_during = plan
  target          = aws_sqs_queue.dead_letters
  values = {
    arn = "arn:aws:sqs:eu-central-1:444455556666:hybrid-ci-webhooks-dead-letters"
    url = "https://sqs.eu-central-1.amazonaws.com/444455556666/hybrid-ci-webhooks-dead-letters"
  }
}

override_resource {
  override_during = plan
  target          = aws_sqs_queue.decisions
  values = {
    arn = "arn:aws:sqs:eu-central-1:444455556666:hybrid-ci-webhooks-decisions"
    url = "https://sqs.eu-central-1.amazonaws.com/444455556666/hybrid-ci-webhooks-decisions"
  }
}

variables {
  control_plane_url        = "https://ci.example.com"
  control_plane_account_id = "111122223333"
  external_id              = "hcp-0123456789abcdef0123456789abcdef"
  package_file             = "relay.zip"
  tags                     = { project = "hybrid-ci" }
}

run "only_the_control_plane_with_the_external_id_is_let_in" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.control_plane.assume_role_policy) == {
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::111122223333:root" }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "sts:ExternalId" = "hcp-0123456789abcdef0123456789abcdef" } }
      }]
    }
    error_message = "Somebody else is let in, or without the ExternalId."
  }
  assert {
    condition     = startswith(aws_iam_role.control_plane.name, "hybrid-ci")
    error_message = "The control plane assumes no role of that name."
  }
}

run "the_control_plane_reads_events_and_sends_decisions_and_no_more" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role_policy.control_plane.policy).Statement == [
      {
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        Resource = "arn:aws:sqs:eu-central-1:444455556666:hybrid-ci-webhooks-inbound"
      },
      {
        Effect = "Allow"
        Action = ["sqs:SendMessage"]
        Resource = [
          "arn:aws:sqs:eu-central-1:444455556666:hybrid-ci-webhooks-decisions",
          "arn:aws:sqs:eu-central-1:444455556666:hybrid-ci-webhooks-dead-letters",
        ]
      },
    ]
    error_message = "The control plane may do something else."
  }
}

run "the_relay_sends_events_and_reads_its_own_secrets_and_no_more" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role_policy.relay.policy).Statement == [
      {
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
        Resource = "arn:aws:sqs:eu-central-1:444455556666:hybrid-ci-webhooks-inbound"
      },
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = "arn:aws:secretsmanager:eu-central-1:444455556666:secret:hybrid-ci/webhooks/*"
      },
      {
        Effect   = "Allow"
        Action   = ["ssm:GetParameter"]
        Resource = "arn:aws:ssm:eu-central-1:444455556666:parameter/hybrid-ci/webhooks/*"
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:aws:logs:eu-central-1:444455556666:log-group:relay:log-stream:*"
      },
    ]
    error_message = "The relay may do something else."
  }
  assert {
    condition = jsondecode(aws_iam_role.relay.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
    error_message = "Somebody else may take the relay's role."
  }
  assert {
    condition     = !startswith(aws_iam_role.relay.name, "hybrid-ci")
    error_message = "The relay's role has a name by which the control plane could ask for it."
  }
  assert {
    condition = aws_lambda_function.relay.environment[0].variables == tomap({
      HYBRID_RELAY_URL            = "https://ci.example.com"
      HYBRID_RELAY_IDENTITY       = "aws-secrets-manager://hybrid-ci/webhooks/identity"
      HYBRID_RELAY_QUEUE_PROVIDER = "AWS_SQS"
      HYBRID_RELAY_QUEUE          = "https://sqs.eu-central-1.amazonaws.com/444455556666/hybrid-ci-webhooks-inbound"
      HYBRID_RELAY_SECRETS        = "github=aws-secrets-manager://hybrid-ci/webhooks/github"
    })
    error_message = "The relay is told something else."
  }
}

run "what_cannot_be_acted_on_yet_is_not_given_up_and_nothing_goes_without_tls" {
  command = plan

  assert {
    condition = jsondecode(aws_sqs_queue.inbound.redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:eu-central-1:444455556666:hybrid-ci-webhooks-dead-letters"
      maxReceiveCount     = 1000
    }
    error_message = "A message that fails goes elsewhere."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue.inbound.redrive_policy).maxReceiveCount * aws_sqs_queue.inbound.visibility_timeout_seconds > 4 * 24 * 60 * 60
    error_message = "An event that is put off is given up before its time."
  }
  assert {
    condition     = aws_sqs_queue.inbound.message_retention_seconds > 7 * 24 * 60 * 60
    error_message = "An event that nobody could act on is dropped before it is refused or a dead letter."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letters.redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.inbound.arn]
    error_message = "Another queue's dead letters come here."
  }
  assert {
    condition = alltrue([for name, policy in aws_sqs_queue_policy.by_tls : jsondecode(policy.policy).Statement == [{
      Sid       = "TlsAlone"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = local.queues[name].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]]) && length(aws_sqs_queue_policy.by_tls) == 3
    error_message = "A queue lets somebody in by its own policy, or without TLS."
  }
  assert {
    condition     = alltrue([for queue in values(local.queues) : queue.sqs_managed_sse_enabled])
    error_message = "A queue is not encrypted."
  }
}

run "a_key_of_ones_own_is_used_by_the_two_services_alone" {
  command = plan

  variables {
    kms_key_arn     = "arn:aws:kms:eu-central-1:444455556666:key/1"
    webhook_secrets = { gitlab = "aws-ssm://hybrid-ci/webhooks/gitlab", github = "aws-secrets-manager://hybrid-ci/webhooks/github" }
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.relay.policy).Statement[4] == {
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = "arn:aws:kms:eu-central-1:444455556666:key/1"
      Condition = {
        StringEquals = { "kms:ViaService" = ["secretsmanager.eu-central-1.amazonaws.com", "ssm.eu-central-1.amazonaws.com"] }
      }
    }
    error_message = "The key can be used for something else."
  }
  assert {
    condition     = aws_lambda_function.relay.environment[0].variables.HYBRID_RELAY_SECRETS == "github=aws-secrets-manager://hybrid-ci/webhooks/github,gitlab=aws-ssm://hybrid-ci/webhooks/gitlab"
    error_message = "The relay is told of other secrets."
  }
}

run "an_external_id_that_somebody_made_up_is_refused" {
  command         = plan
  expect_failures = [var.external_id]

  variables {
    external_id = "my-company"
  }
}
