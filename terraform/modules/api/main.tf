# The HTTP API: one route for each method and path that a function's router has, and no other.

locals {
  routes = merge([for function, details in var.functions : { for route in details.routes : route => function }]...)
}

resource "aws_apigatewayv2_api" "this" {
  name                         = var.prefix
  description                  = "The control plane ${var.prefix}."
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = var.disable_execute_api_endpoint
  tags                         = var.tags

  lifecycle {
    precondition {
      condition     = !var.disable_execute_api_endpoint || var.domain != null
      error_message = "Without the execute-api endpoint the API needs a domain to be reached at."
    }
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = var.functions

  api_id                 = aws_apigatewayv2_api.this.id
  description            = each.key
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = each.value.invoke_arn
  payload_format_version = "2.0"
  # A function gives up before, so that its own answer is the one that is seen.
  timeout_milliseconds = 30000
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.key
  # The function itself decides who is let in, from the whole request and at that moment.
  authorization_type = "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.this[each.value].id}"
}

resource "aws_lambda_permission" "this" {
  for_each = var.functions

  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = each.value.function_name
  qualifier     = each.value.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}

resource "aws_cloudwatch_log_group" "access" {
  # A name that begins like this needs no permission of its own in the account's policy for logs, whose size is limited.
  name              = "/aws/vendedlogs/apigateway/${var.prefix}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = jsonencode(var.access_log)
  }

  default_route_settings {
    throttling_rate_limit  = var.throttles.default.rate
    throttling_burst_limit = var.throttles.default.burst
  }

  dynamic "route_settings" {
    for_each = var.throttles.routes
    content {
      route_key              = route_settings.key
      throttling_rate_limit  = route_settings.value.rate
      throttling_burst_limit = route_settings.value.burst
    }
  }

  lifecycle {
    precondition {
      condition     = length(local.routes) == sum([for details in values(var.functions) : length(details.routes)])
      error_message = "Two functions have the same route."
    }
    precondition {
      condition     = alltrue([for route in keys(var.throttles.routes) : contains(keys(local.routes), route)])
      error_message = "A throttle names a route that there is not."
    }
  }

  # API Gateway refuses settings of a route that does not exist yet.
  depends_on = [aws_apigatewayv2_route.this]
}

resource "aws_apigatewayv2_domain_name" "this" {
  count = var.domain == null ? 0 : 1

  domain_name = var.domain.name
  tags        = var.tags

  domain_name_configuration {
    certificate_arn = var.domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

# Where the domain's records have to point to. It is asked for by id, which is known only once there is a domain.
data "aws_api_gateway_domain_name" "this" {
  count = var.domain == null ? 0 : 1

  domain_name = aws_apigatewayv2_domain_name.this[0].id
}

resource "aws_apigatewayv2_api_mapping" "this" {
  count = var.domain == null ? 0 : 1

  api_id      = aws_apigatewayv2_api.this.id
  domain_name = aws_apigatewayv2_domain_name.this[0].id
  stage       = aws_apigatewayv2_stage.default.id
}

resource "aws_route53_record" "this" {
  for_each = try(var.domain.zone_id, null) == null ? toset([]) : toset(["A", "AAAA"])

  zone_id = var.domain.zone_id
  name    = var.domain.name
  type    = each.key

  alias {
    name                   = data.aws_api_gateway_domain_name.this[0].regional_domain_name
    zone_id                = data.aws_api_gateway_domain_name.this[0].regional_zone_id
    evaluate_target_health = false
  }
}
