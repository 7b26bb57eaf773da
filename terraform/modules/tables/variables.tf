variable "prefix" {
  description = "What every name begins with, such as hybrid-ci-staging."
  type        = string
}

variable "tables" {
  description = "The tables by their short names, as in plane.json."
  type = map(object({
    partition_key = string
    sort_key      = string
    ttl_attribute = string
    attributes    = map(string)
    indexes = map(object({
      partition_key      = string
      sort_key           = string
      projection         = string
      non_key_attributes = optional(list(string), [])
    }))
  }))
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the tables."
  type        = bool
}

variable "recovery_days" {
  description = "How many days one can go back to any second of, 1 to 35."
  type        = number
}

variable "provisioned_capacity" {
  description = "Read and write units a second of the tables that are not on demand, by their short names; their indexes have as much each."
  type        = map(object({ read = number, write = number }))
  default     = {}

  validation {
    condition     = alltrue([for table in keys(var.provisioned_capacity) : contains(keys(var.tables), table)])
    error_message = "provisioned_capacity names a table that there is not."
  }
}

variable "kms_key_arn" {
  description = "The key that the tables are encrypted with; null: the account's own key for DynamoDB."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every table."
  type        = map(string)
}
