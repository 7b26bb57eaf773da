output "webhook_url" {
  description = "Where tools send webhooks to, with the tool's name for {tool}."
  value       = "${aws_apigatewayv2_api.this.api_endpoint}/relay/webhooks/{tool}"
}

output "inbound_queue_url" {
  description = "The inbound queue, as the relay was registered with."
  value       = aws_sqs_queue.inbound.url
}

output "decision_queue_url" {
  description = "The decision queue, as the relay was registered with."
  value       = aws_sqs_queue.decisions.url
}

output "dead_letter_queue_url" {
  description = "The dead-letter queue, as the relay was registered with."
  value       = aws_sqs_queue.dead_letters.url
}

output "role_arn" {
  description = "The role that the control plane assumes, as the relay was registered with."
  value       = aws_iam_role.control_plane.arn
}
