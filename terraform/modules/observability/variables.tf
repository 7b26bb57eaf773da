variable "prefix" {
  description = "What every name begins with, such as hybrid-ci-staging."
  type        = string
}

variable "environment" {
  description = "The value of ENVIRONMENT: a dimension of the functions' own metrics."
  type        = string
}

variable "functions" {
  description = "What starts each of the functions: http or schedule."
  type        = map(object({ trigger = string }))
}

variable "tables" {
  description = "The short names of the tables."
  type        = list(string)
}

variable "api_id" {
  description = "The API's id."
  type        = string
}

variable "alarms" {
  description = "The alarms: what alarms.json holds."
  type        = any

  validation {
    condition = alltrue([for alarm in flatten([for group in values(var.alarms) : values(group)]) :
      (alarm.metric == null) != (alarm.query == null)
    ])
    error_message = "An alarm has either a metric or a query."
  }
}

variable "thresholds" {
  description = "Thresholds other than those of alarms.json, by the alarm's name without the prefix."
  type        = map(number)
  default     = {}

  validation {
    condition = alltrue([for key in keys(var.thresholds) : anytrue(concat(
      [for alarm in keys(var.alarms.plane) : key == alarm],
      [for pair in setproduct(keys(var.functions), keys(var.alarms.function)) : key == join("-", pair)],
      [for pair in setproduct(var.tables, keys(var.alarms.table)) : key == "table-${join("-", pair)}"],
    ))])
    error_message = "A threshold is of an alarm that there is not."
  }
}

variable "dashboard_file" {
  description = "The dashboard's body, with placeholders."
  type        = string
}

variable "alarm_actions" {
  description = "What is told when an alarm goes off and when it is over, such as the ARN of an SNS topic."
  type        = list(string)
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
}
