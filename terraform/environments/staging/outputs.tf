output "origin" {
  description = "Where browsers and agents reach the control plane."
  value       = module.plane.origin
}

output "domain_target" {
  description = "What a record of the domain has to point to, where Terraform does not write it."
  value       = module.plane.domain_target
}

output "secrets" {
  description = "The names of the secrets to put values in, by the variables that name them."
  value       = { for variable, secret in module.plane.secrets : variable => secret.name }
}

output "functions" {
  description = "The functions that a release brings code to."
  value       = { for name, function in module.plane.functions : name => function.function.function_name }
}

output "release_role_arn" {
  description = "The role that releases code, if there is one."
  value       = module.plane.release_role_arn
}
