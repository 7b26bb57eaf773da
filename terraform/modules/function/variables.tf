variable "name" {
  description = "The name of the function, its role and the end of its log group's."
  type        = string
}

variable "description" {
  description = "What the function does, in a few words."
  type        = string
}

variable "package_file" {
  description = "The zip that the function is made with; nothing reads it once the function exists."
  type        = string
}

variable "memory_mb" {
  description = "Memory in MB. Lambda gives processor time in proportion to it."
  type        = number
}

variable "timeout_seconds" {
  description = "How long an invocation may take."
  type        = number
}

variable "environment" {
  description = "The function's variables. None is a secret: secrets are named by their ARN."
  type        = map(string)
}

variable "permissions" {
  description = "Which actions the function performs on which table or index."
  type        = list(object({ resource = string, actions = list(string) }))

  validation {
    condition     = alltrue([for action in flatten(var.permissions[*].actions) : !strcontains(action, "*")])
    error_message = "An action with a star allows more than what the function does."
  }
}

variable "grants" {
  description = "What else the function may do, as plane.json has it: customers' roles that it assumes, and under which condition."
  type        = any
  default     = []

  validation {
    condition     = alltrue([for grant in var.grants : alltrue([for action in grant.actions : !strcontains(action, "*")])])
    error_message = "An action with a star allows more than what the function does."
  }
}

variable "secret_arns" {
  description = "The secrets whose values the function reads."
  type        = list(string)
  default     = []
}

variable "kms_key_arn" {
  description = "The key that the tables, the secrets and the log group are encrypted with; null: keys of the services."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long log lines are kept."
  type        = number
}

variable "reserved_concurrency" {
  description = "How many invocations there can be at a time, which no other function can use up; null: what the account has left."
  type        = number
  default     = null
}

variable "provisioned_concurrency" {
  description = "How many processes of the live version are kept ready; 0: they are started as they are needed."
  type        = number
  default     = 0
}

variable "asynchronous" {
  description = "For a function that events start: how often and how long a failed one is tried again, and where it goes then."
  type        = object({ retries = number, event_age_seconds = number, dead_letter_queue_arn = string })
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
}
