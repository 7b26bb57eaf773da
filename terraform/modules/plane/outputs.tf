output "origin" {
  description = "Where browsers and agents reach the control plane."
  value       = module.api.origin
}

output "domain_target" {
  description = "What a record of the domain has to point to, where Terraform does not write it."
  value       = module.api.domain_target
}

output "api" {
  description = "The API."
  value       = module.api.api
}

output "stage" {
  description = "The API's only stage."
  value       = module.api.stage
}

output "routes" {
  description = "Which function answers a route."
  value       = module.api.routes
}

output "tables" {
  description = "The tables by their short names."
  value       = module.tables.tables
}

output "functions" {
  description = "The functions: themselves, their aliases, what their roles allow, their log groups."
  value       = module.function
}

output "secrets" {
  description = "The secrets, by the variables that name them. They have no value until you put one there."
  value       = { for variable, secret in aws_secretsmanager_secret.this : variable => { name = secret.name, arn = secret.arn } }
}

output "schedule" {
  description = "What starts functions without a request, and the queue of events that could not be handled."
  value       = module.schedule
}

output "alarms" {
  description = "The alarms by their names without the prefix."
  value       = module.observability.alarms
}

output "dashboard" {
  description = "The dashboard."
  value       = module.observability.dashboard
}

output "deployment_groups" {
  description = "What moves the aliases, by the function."
  value       = aws_codedeploy_deployment_group.this
}

output "release_role_arn" {
  description = "The role that releases code, if there is one."
  value       = one(aws_iam_role.release[*].arn)
}
