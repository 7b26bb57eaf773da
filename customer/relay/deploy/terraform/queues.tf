# The queues, encrypted with keys that SQS manages and reached by TLS alone, and what the control plane may do with them.

locals {
  # Names are made of relay_name alone, so that they are known before anything is there: registering the relay needs them,
  # and this needs the ExternalId that registering gives.
  prefix = "hybrid-ci-${var.relay_name}"

  queues = {
    inbound      = aws_sqs_queue.inbound
    dead_letters = aws_sqs_queue.dead_letters
    decisions    = aws_sqs_queue.decisions
  }
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

# Events. The control plane reads them, acts on each once, and takes them away.
resource "aws_sqs_queue" "inbound" {
  name                    = "${local.prefix}-inbound"
  sqs_managed_sse_enabled = true
  # Longer than the control plane works on what it is given.
  visibility_timeout_seconds = 360
  # So that nothing is dropped unseen: the control plane refuses what is older than six days, and its record says so.
  message_retention_seconds = 14 * 24 * 60 * 60
  # The most that SQS counts. What cannot be acted on for now, because a decision queue or the control plane's database is out of
  # reach or too many jobs are in line, is shown every 6 to 11 minutes, so that it is tried for four days at least before it is a
  # dead letter. What is not believed does not need to be given up here: the control plane sends it on itself.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 1000
  })
  tags = var.tags
}

# What the control plane does not believe, with its reason as the subject, for you to look at. It holds metadata, as the inbound
# queue does.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${local.prefix}-dead-letters"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 14 * 24 * 60 * 60
  tags                      = var.tags
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.inbound.arn]
  })
}

# What the control plane decides, for your own programs to read.
resource "aws_sqs_queue" "decisions" {
  name                       = "${local.prefix}-decisions"
  sqs_managed_sse_enabled    = true
  visibility_timeout_seconds = 60
  message_retention_seconds  = 4 * 24 * 60 * 60
  tags                       = var.tags
}

resource "aws_sqs_queue_policy" "by_tls" {
  for_each = local.queues

  queue_url = each.value.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsAlone"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# What the control plane may do here, which is all that it may do. Whoever does not know the ExternalId is not let in, the
# control plane's account included. It assumes no role whose name does not begin with hybrid-ci.
resource "aws_iam_role" "control_plane" {
  name        = local.prefix
  description = "What the control plane may do, reading and deleting events, and sending decisions and dead letters."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${var.control_plane_account_id}:root" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "sts:ExternalId" = var.external_id } }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "control_plane" {
  name = "queues"
  role = aws_iam_role.control_plane.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.inbound.arn
      },
      {
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [aws_sqs_queue.decisions.arn, aws_sqs_queue.dead_letters.arn]
      },
    ]
  })
}
