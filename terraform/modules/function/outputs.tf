output "function" {
  description = "The function."
  value       = aws_lambda_function.this
}

output "alias" {
  description = "The alias that everybody calls it by."
  value       = aws_lambda_alias.live
}

output "statements" {
  description = "What its role allows, as the policy has it."
  value       = jsondecode(aws_iam_role_policy.this.policy).Statement
}

output "log_group" {
  description = "Its log group."
  value       = aws_cloudwatch_log_group.this
}

output "role" {
  description = "Its role."
  value       = aws_iam_role.this
}
