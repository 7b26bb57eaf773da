variable "environment" {
  description = "The environment: a part of every name. `production` takes live credentials, every other one test credentials."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.environment))
    error_message = "An environment is at most 20 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "artifacts" {
  description = "The directory with the functions' zips, of a release or of `cargo lambda build`. Only the making of a function reads it."
  type        = string
}

# --- sign-in and settings

variable "github_client_id" {
  description = "The OAuth application that people sign in with; null: GitHub is off. Its secret goes to Secrets Manager."
  type        = string
  default     = null
}

variable "google_client_id" {
  description = "The OAuth client that people sign in with; null: Google is off. Its secret goes to Secrets Manager."
  type        = string
  default     = null

  validation {
    condition     = var.google_client_id != null || var.github_client_id != null
    error_message = "Nobody could sign in: set github_client_id, google_client_id or both."
  }
}

variable "log_level" {
  description = "What the functions log: LOG_LEVEL."
  type        = string
  default     = "info"
}

variable "settings" {
  description = "Other variables of the functions, which docs/operations.md lists: each goes to the functions that know it."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue(flatten([for name in keys(var.settings) : [
      anytrue([for function in values(jsondecode(file("${path.module}/../../plane.json")).functions) : contains(function.environment.optional, name)]),
      !contains(["ENVIRONMENT", "PUBLIC_ORIGIN", "LOG_LEVEL", "GITHUB_CLIENT_ID", "GOOGLE_CLIENT_ID"], name),
      !endswith(name, "_SECRET"),
      !endswith(name, "_ENCRYPTION_KEY"),
    ]]))
    error_message = "A setting must be an optional variable of some function that has no variable here of its own, and no secret."
  }
}

# --- protection

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the tables."
  type        = bool
}

variable "recovery_days" {
  description = "How many days the tables can be taken back to any second of, 1 to 35."
  type        = number
}

variable "secret_recovery_days" {
  description = "How many days a deleted secret can be had back, 7 to 30, or 0."
  type        = number
}

variable "kms_key_arn" {
  description = "A key of one's own for tables, secrets and log groups; null: the keys of the services."
  type        = string
  default     = null
}

# --- size

variable "reserved_concurrency" {
  description = "How many invocations of a function there can be at a time, by its name; of the others as many as the account has left."
  type        = map(number)

  validation {
    condition     = alltrue([for name in keys(var.reserved_concurrency) : contains(keys(jsondecode(file("${path.module}/../../plane.json")).functions), name)])
    error_message = "reserved_concurrency names a function that there is not."
  }
}

variable "provisioned_concurrency" {
  description = "How many processes of a function are kept ready, by its name; of the others none."
  type        = map(number)
  default     = {}
}

variable "provisioned_capacity" {
  description = "Read and write units a second of a table, by its short name; the others are on demand."
  type        = map(object({ read = number, write = number }))
  default     = {}
}

# --- where it is reached

variable "domain" {
  description = "A domain of one's own: name, ARN of a certificate in the same region, Route 53 zone (null: you write the record yourself)."
  type        = object({ name = string, certificate_arn = string, zone_id = optional(string) })
  default     = null
}

variable "disable_execute_api_endpoint" {
  description = "Whether the API is reached at its domain alone."
  type        = bool
}

# --- what is kept of what happens, and who is told

variable "log_retention_days" {
  description = "How long log lines are kept."
  type        = number
}

variable "alarm_actions" {
  description = "What is told of alarms, such as the ARN of an SNS topic."
  type        = list(string)
}

variable "alarm_thresholds" {
  description = "Thresholds other than those of alarms.json, by the alarm's name without the prefix."
  type        = map(number)
  default     = {}
}

# --- releases

variable "deployment_config" {
  description = "How CodeDeploy moves a function's alias to a new version."
  type        = string
}

variable "previous_plane" {
  description = "plane.json of the release that is still called, if another one: the roles then allow what either does."
  type        = string
  default     = null
}

variable "release_role" {
  description = "Who may release code: the ARN of the account's OIDC provider for GitHub Actions, and the subject of its tokens, such as repo:example/ci:environment:staging."
  type        = object({ oidc_provider_arn = string, subject = string })
  default     = null
}

variable "tags" {
  description = "More tags for everything that takes tags."
  type        = map(string)
  default     = {}
}
