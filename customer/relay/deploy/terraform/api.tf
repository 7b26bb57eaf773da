# Where webhooks are sent to. Anybody can call it: the relay believes nobody without a signature.

resource "aws_apigatewayv2_api" "this" {
  name          = local.relay
  description   = "Where webhooks are sent to."
  protocol_type = "HTTP"
  tags          = var.tags
}

resource "aws_apigatewayv2_integration" "relay" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = aws_lambda_function.relay.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

resource "aws_apigatewayv2_route" "webhooks" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "POST /relay/webhooks/{tool}"
  authorization_type = "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.relay.id}"
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.relay.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/vendedlogs/apigateway/${local.relay}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  # Requests a second.
  default_route_settings {
    throttling_rate_limit  = 50
    throttling_burst_limit = 100
  }

  # Neither header nor query.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      time             = "$context.requestTimeEpoch"
      requestId        = "$context.requestId"
      routeKey         = "$context.routeKey"
      status           = "$context.status"
      latencyMs        = "$context.responseLatency"
      integrationError = "$context.integrationErrorMessage"
      sourceIp         = "$context.identity.sourceIp"
    })
  }
}
