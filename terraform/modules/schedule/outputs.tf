output "rules" {
  description = "The rules, by the function."
  value       = aws_cloudwatch_event_rule.this
}

output "targets" {
  description = "What the rules start and how often they try, by the function."
  value       = aws_cloudwatch_event_target.this
}

output "dead_letters" {
  description = "The queue for events that could not be handled."
  value       = aws_sqs_queue.dead_letters
}
