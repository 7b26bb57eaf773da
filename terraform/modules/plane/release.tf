# How a release becomes live: CodeDeploy moves the alias of each function, and moves it back if an alarm goes off.

locals {
  rollback_alarms = { for name, function in local.functions : name => concat(
    ["${name}-errors", "${name}-duration"],
    function.trigger == "http" ? ["api-5xx"] : [],
  ) }

  function_arns = [for name in keys(local.functions) : module.function[name].function.arn]
}

resource "aws_codedeploy_app" "this" {
  name             = local.prefix
  compute_platform = "Lambda"
  tags             = local.tags
}

resource "aws_codedeploy_deployment_group" "this" {
  for_each = local.functions

  app_name               = aws_codedeploy_app.this.name
  deployment_group_name  = "${local.prefix}-${each.key}"
  deployment_config_name = var.deployment_config
  service_role_arn       = aws_iam_role.codedeploy.arn
  tags                   = local.tags

  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }

  alarm_configuration {
    enabled = true
    alarms  = [for key in local.rollback_alarms[each.key] : module.observability.alarms[key].alarm_name]
  }

  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
  }
}

resource "aws_iam_role" "codedeploy" {
  name        = "${local.prefix}-codedeploy"
  description = "Moves the aliases of the functions of ${local.prefix}."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "codedeploy.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "codedeploy" {
  name = "shift"
  role = aws_iam_role.codedeploy.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"]
        Resource = flatten([for arn in local.function_arns : [arn, "${arn}:live"]])
      },
      {
        # CodeDeploy asks for alarms by name, which cannot be told apart by resource.
        Effect   = "Allow"
        Action   = ["cloudwatch:DescribeAlarms"]
        Resource = "*"
      },
    ]
  })
}

# The role of whatever builds the releases. It brings code and asks for a shift: it reads no table and no secret, and
# changes no role.
data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "aws_iam_role" "release" {
  count = var.release_role == null ? 0 : 1

  name        = "${local.prefix}-release"
  description = "Releases code to ${local.prefix}."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = var.release_role.oidc_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = var.release_role.subject
        }
      }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "release" {
  count = var.release_role == null ? 0 : 1

  name = "release"
  role = aws_iam_role.release[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = [
          "lambda:GetAlias",
          "lambda:GetFunction",
          "lambda:GetFunctionConfiguration",
          "lambda:ListVersionsByFunction",
          "lambda:PublishVersion",
          "lambda:UpdateFunctionCode",
        ]
        Resource = flatten([for arn in local.function_arns : [arn, "${arn}:*"]])
      },
      {
        Effect   = "Allow"
        Action   = ["codedeploy:CreateDeployment", "codedeploy:GetDeployment", "codedeploy:StopDeployment"]
        Resource = [for name in keys(local.functions) : aws_codedeploy_deployment_group.this[name].arn]
      },
      {
        Effect   = "Allow"
        Action   = ["codedeploy:GetApplicationRevision", "codedeploy:RegisterApplicationRevision"]
        Resource = aws_codedeploy_app.this.arn
      },
      {
        Effect = "Allow"
        Action = ["codedeploy:GetDeploymentConfig"]
        # A release that is taken back at once moves all at once.
        Resource = [for config in distinct([var.deployment_config, "CodeDeployDefault.LambdaAllAtOnce"]) : join(":", [
          "arn", data.aws_partition.current.partition, "codedeploy", data.aws_region.current.region,
          data.aws_caller_identity.current.account_id, "deploymentconfig", config,
        ])]
      },
    ]
  })
}
