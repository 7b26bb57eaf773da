# The relay itself. Its secrets are in Secrets Manager or the Parameter Store, below hybrid-ci/<relay_name>/, and are made by
# hand: none comes into Terraform's state.

locals {
  relay   = "hybrid-relay-${var.relay_name}"
  place   = "${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}"
  secrets = coalesce(var.webhook_secrets, { github = "aws-secrets-manager://hybrid-ci/${var.relay_name}/github" })

  statements = concat(
    [
      {
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.inbound.arn
      },
      # AWS ends a secret's ARN with six characters of its own.
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = "arn:${data.aws_partition.current.partition}:secretsmanager:${local.place}:secret:hybrid-ci/${var.relay_name}/*"
      },
      {
        Effect   = "Allow"
        Action   = ["ssm:GetParameter"]
        Resource = "arn:${data.aws_partition.current.partition}:ssm:${local.place}:parameter/hybrid-ci/${var.relay_name}/*"
      },
      # Streams are made by Lambda, with names that cannot be known before.
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.relay.arn}:log-stream:*"
      },
    ],
    [for key in var.kms_key_arn == null ? [] : [var.kms_key_arn] : {
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = key
      Condition = {
        StringEquals = {
          "kms:ViaService" = [
            "secretsmanager.${data.aws_region.current.region}.amazonaws.com",
            "ssm.${data.aws_region.current.region}.amazonaws.com",
          ]
        }
      }
    }],
  )
}

resource "aws_iam_role" "relay" {
  name        = local.relay
  description = "What the relay may do, putting events on its queue and reading its own secrets."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "relay" {
  name   = "relay"
  role   = aws_iam_role.relay.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_cloudwatch_log_group" "relay" {
  name              = "/aws/lambda/${local.relay}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "relay" {
  function_name = local.relay
  description   = "Receives webhooks, and puts their metadata on the inbound queue."
  role          = aws_iam_role.relay.arn
  runtime       = "provided.al2023"
  architectures = ["arm64"]
  handler       = "bootstrap"
  # A webhook of 6 MB, which is the most that Lambda takes, and what it is parsed into.
  memory_size      = 256
  timeout          = 28
  filename         = var.package_file
  source_code_hash = fileexists(var.package_file) ? filebase64sha256(var.package_file) : null
  tags             = var.tags

  environment {
    variables = {
      HYBRID_RELAY_URL            = var.control_plane_url
      HYBRID_RELAY_IDENTITY       = "aws-secrets-manager://hybrid-ci/${var.relay_name}/identity"
      HYBRID_RELAY_QUEUE_PROVIDER = "AWS_SQS"
      HYBRID_RELAY_QUEUE          = aws_sqs_queue.inbound.url
      HYBRID_RELAY_SECRETS        = join(",", [for tool, reference in local.secrets : "${tool}=${reference}"])
    }
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.relay.name
    application_log_level = "TRACE"
    system_log_level      = "WARN"
  }

  tracing_config {
    mode = "PassThrough"
  }

  depends_on = [aws_iam_role_policy.relay]
}

# Every minute the relay tells the control plane how it does.
resource "aws_cloudwatch_event_rule" "heartbeat" {
  name                = "${local.relay}-heartbeat"
  description         = "Has the relay tell the control plane how it does."
  schedule_expression = "rate(1 minute)"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "heartbeat" {
  rule = aws_cloudwatch_event_rule.heartbeat.name
  arn  = aws_lambda_function.relay.arn

  retry_policy {
    maximum_retry_attempts       = 0
    maximum_event_age_in_seconds = 60
  }
}

resource "aws_lambda_permission" "heartbeat" {
  statement_id  = "heartbeat"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.relay.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.heartbeat.arn
}

# The next heartbeat is a minute away: one that fails is not tried again.
resource "aws_lambda_function_event_invoke_config" "relay" {
  function_name                = aws_lambda_function.relay.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
