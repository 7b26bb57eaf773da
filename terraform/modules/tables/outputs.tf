output "tables" {
  description = "The tables by their short names."
  value       = aws_dynamodb_table.this
}
