# One function: its role, its log group, itself, and the alias that everybody calls it by.

locals {
  table_statements = [for permission in var.permissions : {
    Effect   = "Allow"
    Action   = permission.actions
    Resource = permission.resource
  }]

  # A log group's streams are made by Lambda: their names cannot be known before, which is why there is a star.
  log_statement = {
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = "${aws_cloudwatch_log_group.this.arn}:log-stream:*"
  }

  secret_statements = [for arn in var.secret_arns : {
    Effect   = "Allow"
    Action   = ["secretsmanager:GetSecretValue"]
    Resource = arn
  }]

  # Without what a grant has none of.
  grant_statements = [for grant in var.grants : { for name, value in {
    Effect    = "Allow"
    Action    = grant.actions
    Resource  = grant.resource
    Condition = grant.condition
  } : name => value if value != null }]

  # DynamoDB and Secrets Manager decrypt on behalf of whoever calls them. Nothing is decrypted without one of the two.
  key_statements = var.kms_key_arn == null ? [] : [{
    Effect   = "Allow"
    Action   = ["kms:Decrypt"]
    Resource = var.kms_key_arn
    Condition = {
      StringEquals = {
        "kms:ViaService" = concat(
          ["dynamodb.${data.aws_region.current.region}.amazonaws.com"],
          length(var.secret_arns) == 0 ? [] : ["secretsmanager.${data.aws_region.current.region}.amazonaws.com"],
        )
      }
    }
  }]

  dead_letter_statements = var.asynchronous == null ? [] : [{
    Effect   = "Allow"
    Action   = ["sqs:SendMessage"]
    Resource = var.asynchronous.dead_letter_queue_arn
  }]

  statements = concat(
    local.table_statements,
    [local.log_statement],
    local.secret_statements,
    local.grant_statements,
    local.key_statements,
    local.dead_letter_statements,
  )
}

data "aws_region" "current" {}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "What the function ${var.name} may do: what it does, and nothing else."
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

resource "aws_iam_role_policy" "this" {
  name   = "function"
  role   = aws_iam_role.this.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  runtime       = "provided.al2023"
  architectures = ["arm64"]
  handler       = "bootstrap"
  memory_size   = var.memory_mb
  timeout       = var.timeout_seconds
  # A version of its own for every change, so that the alias can move from one to the next and back.
  publish                        = true
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)
  # The first code. From then on the releases bring it; see the lifecycle below.
  filename = var.package_file
  tags     = var.tags

  environment {
    variables = var.environment
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
    # LOG_LEVEL decides what is logged. Lambda would filter a second time, and take the lines of metrics for INFO.
    application_log_level = "TRACE"
    # Lambda's own line at each start and end of a call costs more than it says.
    system_log_level = "WARN"
  }

  tracing_config {
    mode = "PassThrough"
  }

  lifecycle {
    # Whoever may release needs none of the permissions that Terraform needs, and Terraform never takes a release back.
    ignore_changes = [filename]
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that is called; CodeDeploy moves it."
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version

  lifecycle {
    # In the middle of a shift the alias is at two versions. Terraform leaves both as they are.
    ignore_changes = [function_version, routing_config]
  }
}

resource "aws_lambda_provisioned_concurrency_config" "this" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}

resource "aws_lambda_function_event_invoke_config" "this" {
  count = var.asynchronous == null ? 0 : 1

  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_retry_attempts       = var.asynchronous.retries
  maximum_event_age_in_seconds = var.asynchronous.event_age_seconds

  destination_config {
    on_failure {
      destination = var.asynchronous.dead_letter_queue_arn
    }
  }

  # Lambda refuses a destination that the role may not send to.
  depends_on = [aws_iam_role_policy.this]
}
