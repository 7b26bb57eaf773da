# Values of these stand in terraform.tfvars, which is yours: terraform.tfvars.example shows it. None is a secret.

variable "region" {
  description = "The AWS region."
  type        = string
}

variable "account_id" {
  description = "The AWS account that this environment is in; with another one's credentials nothing is done. Null: any."
  type        = string
  default     = null
}

variable "artifacts" {
  description = "The directory with the functions' zips. Only the making of a function reads it."
  type        = string
  default     = "../../../target/lambda"
}

variable "github_client_id" {
  description = "The OAuth application that people sign in with; null: GitHub is off."
  type        = string
  default     = null
}

variable "google_client_id" {
  description = "The OAuth client that people sign in with; null: Google is off."
  type        = string
  default     = null
}

variable "log_level" {
  description = "What the functions log: LOG_LEVEL."
  type        = string
  default     = "info"
}

variable "settings" {
  description = "Other variables of the functions, which docs/operations.md lists."
  type        = map(string)
  default     = {}
}

variable "domain" {
  description = "A domain of one's own: name, ARN of a certificate in the same region, Route 53 zone (left out: you write the record yourself)."
  type        = object({ name = string, certificate_arn = string, zone_id = optional(string) })
  default     = null
}

variable "kms_key_arn" {
  description = "A key of one's own for tables, secrets and log groups; null: the keys of the services."
  type        = string
  default     = null
}

variable "alarm_actions" {
  description = "What is told of alarms, such as the ARN of an SNS topic."
  type        = list(string)
  default     = []
}

variable "alarm_thresholds" {
  description = "Thresholds other than those of alarms.json, by the alarm's name without the prefix."
  type        = map(number)
  default     = {}
}

variable "previous_plane" {
  description = "plane.json of the release that is still called, while another one is brought."
  type        = string
  default     = null
}

variable "release_role" {
  description = "Who may release code: the ARN of the account's OIDC provider for GitHub Actions, and the subject of its tokens."
  type        = object({ oidc_provider_arn = string, subject = string })
  default     = null
}

variable "tags" {
  description = "More tags for everything that takes tags."
  type        = map(string)
  default     = {}
}
