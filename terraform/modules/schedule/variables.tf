variable "prefix" {
  description = "What every name begins with, such as hybrid-ci-staging."
  type        = string
}

variable "schedules" {
  description = "When which functions are started, by their short names: the alias to start, and rate(…) or cron(…)."
  type = map(object({
    expression    = string
    function_name = string
    alias         = string
    alias_arn     = string
  }))
}

variable "event_age_seconds" {
  description = "How long an event is worth being delivered, 60 at least."
  type        = number
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
}
