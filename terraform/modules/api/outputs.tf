output "api" {
  description = "The API."
  value       = aws_apigatewayv2_api.this
}

output "stage" {
  description = "Its only stage."
  value       = aws_apigatewayv2_stage.default
}

output "routes" {
  description = "Which function answers a route."
  value       = { for key, route in aws_apigatewayv2_route.this : route.route_key => local.routes[key] }
}

output "origin" {
  description = "Where browsers and agents reach the control plane."
  value       = var.domain == null ? aws_apigatewayv2_api.this.api_endpoint : "https://${var.domain.name}"
}

output "domain_target" {
  description = "What a record of the domain has to point to, where Terraform does not write it."
  value       = one(data.aws_api_gateway_domain_name.this[*].regional_domain_name)
}

output "integrations" {
  description = "What the API calls, by the function."
  value       = aws_apigatewayv2_integration.this
}
