variable "relay_name" {
  description = "What the relay is called; part of every name."
  type        = string
  default     = "webhooks"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,29}$", var.relay_name))
    error_message = "A relay's name has 2 to 30 small letters, digits and hyphens."
  }
}

variable "control_plane_url" {
  description = "The control plane's address, such as https://ci.example.com."
  type        = string

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", var.control_plane_url))
    error_message = "The control plane's address begins with https:// and names a host."
  }
}

variable "control_plane_account_id" {
  description = "The AWS account of the control plane."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.control_plane_account_id))
    error_message = "An account has 12 digits."
  }
}

variable "external_id" {
  description = "What registering the relay gave. The control plane alone knows it, and for this relay alone."
  type        = string

  validation {
    condition     = can(regex("^hcp-[0-9a-f]{32}$", var.external_id))
    error_message = "The ExternalId is hcp- and 32 hexadecimal digits, as registering the relay gave it."
  }
}

variable "package_file" {
  description = "The zip with the relay, as `cargo lambda build --package hybrid-relay --bin relay --release --arm64 --output-format zip` makes it."
  type        = string
}

variable "webhook_secrets" {
  description = "A vault reference for each tool; null: github alone, at hybrid-ci/<relay_name>/github in Secrets Manager."
  type        = map(string)
  default     = null

  validation {
    condition     = alltrue([for reference in values(coalesce(var.webhook_secrets, {})) : strcontains(reference, "://")])
    error_message = "A secret is named by where it is, such as aws-ssm://hybrid-ci/webhooks/gitlab."
  }
}

variable "kms_key_arn" {
  description = "The KMS key that the relay's secrets and logs are encrypted with, and that CloudWatch Logs may use; null: AWS's own."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
}
