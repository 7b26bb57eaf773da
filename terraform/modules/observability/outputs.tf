output "alarms" {
  description = "The alarms by their names without the prefix."
  value       = aws_cloudwatch_metric_alarm.this
}

output "dashboard" {
  description = "The dashboard."
  value       = aws_cloudwatch_dashboard.this
}
