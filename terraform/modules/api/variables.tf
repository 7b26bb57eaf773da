variable "prefix" {
  description = "The name of the API, such as hybrid-ci-staging."
  type        = string
}

variable "functions" {
  description = "The functions that answer requests: their routes (method and path), and the alias to call."
  type = map(object({
    routes        = list(string)
    function_name = string
    alias         = string
    invoke_arn    = string
  }))
}

variable "throttles" {
  description = "Requests a second, and how many at once: of a route, unless it has its own."
  type = object({
    default = object({ rate = number, burst = number })
    routes  = map(object({ rate = number, burst = number }))
  })
}

variable "access_log" {
  description = "The fields of a line of the access log. None may hold a header or a query: they can hold credentials."
  type        = map(string)

  validation {
    condition = alltrue([for value in values(var.access_log) :
      !can(regex("(?i)header|querystring|authorizer|path", value))
    ])
    error_message = "The access log must not hold headers, queries, paths or what an authorizer says."
  }
}

variable "disable_execute_api_endpoint" {
  description = "Whether the API can be reached at its domain alone, not at the name that AWS has given it."
  type        = bool
}

variable "domain" {
  description = "A domain of one's own: its name, the ARN of a certificate in the same region, and the Route 53 zone to write its records to (null: they are written elsewhere)."
  type        = object({ name = string, certificate_arn = string, zone_id = optional(string) })
  default     = null
}

variable "kms_key_arn" {
  description = "The key that the access log is encrypted with; null: the service's."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long lines of the access log are kept."
  type        = number
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
}
