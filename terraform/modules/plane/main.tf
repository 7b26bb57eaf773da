# The whole control plane of one environment. What it consists of is read from plane.json, which is made from the code:
# tables and indexes, routes, each function's variables, and which actions it performs on what.

locals {
  prefix      = "hybrid-ci-${var.environment}"
  description = jsondecode(file("${path.module}/../../plane.json"))
  tables      = local.description.tables
  functions   = local.description.functions

  # Credentials of the one kind of environment are refused by the other.
  live = var.environment == "production"

  tags = merge(var.tags, {
    project     = "hybrid-ci"
    environment = var.environment
    managed-by  = "terraform"
  })

  # What is the same for all functions that are started alike. docs/performance.md has the measurements.
  kinds = {
    # API Gateway gives up after 30 s; the function's own answer shall be the one that is seen.
    http = { memory_mb = 256, timeout_seconds = 28 }
    # A run ends by itself after 65 s.
    schedule = { memory_mb = 256, timeout_seconds = 80 }
  }

  # Older than this, the next event has made it worthless. EventBridge and Lambda take no less.
  event_age_seconds = 60

  alarms = jsondecode(file("${path.module}/../../alarms.json"))
}

module "tables" {
  source = "../tables"

  prefix               = local.prefix
  tables               = local.tables
  deletion_protection  = var.deletion_protection
  recovery_days        = var.recovery_days
  provisioned_capacity = var.provisioned_capacity
  kms_key_arn          = var.kms_key_arn
  tags                 = local.tags
}

module "function" {
  source   = "../function"
  for_each = local.functions

  name                    = "${local.prefix}-${each.key}"
  description             = "The function ${each.key} of the control plane ${local.prefix}."
  package_file            = local.packages[each.key]
  memory_mb               = local.kinds[each.value.trigger].memory_mb
  timeout_seconds         = local.kinds[each.value.trigger].timeout_seconds
  environment             = local.environments[each.key]
  permissions             = local.permissions[each.key]
  grants                  = local.grants[each.key]
  secret_arns             = [for variable in each.value.secrets : aws_secretsmanager_secret.this[variable].arn if local.secret_is_used[variable]]
  kms_key_arn             = var.kms_key_arn
  log_retention_days      = var.log_retention_days
  reserved_concurrency    = try(var.reserved_concurrency[each.key], null)
  provisioned_concurrency = try(var.provisioned_concurrency[each.key], 0)
  tags                    = local.tags

  # The next minute's event does what a failed one has left; a second try would only be one more at a time.
  asynchronous = each.value.trigger == "schedule" ? {
    retries               = 0
    event_age_seconds     = local.event_age_seconds
    dead_letter_queue_arn = module.schedule.dead_letters.arn
  } : null
}

module "api" {
  source = "../api"

  prefix = local.prefix
  functions = { for name, function in local.functions : name => {
    routes        = function.routes
    function_name = module.function[name].function.function_name
    alias         = module.function[name].alias.name
    invoke_arn    = module.function[name].alias.invoke_arn
  } if function.trigger == "http" }
  throttles                    = jsondecode(file("${path.module}/../../throttles.json"))
  access_log                   = jsondecode(file("${path.module}/../../access-log.json"))
  disable_execute_api_endpoint = var.disable_execute_api_endpoint
  domain                       = var.domain
  kms_key_arn                  = var.kms_key_arn
  log_retention_days           = var.log_retention_days
  tags                         = local.tags
}

module "schedule" {
  source = "../schedule"

  prefix = local.prefix
  schedules = { for name, function in local.functions : name => {
    expression    = "rate(1 minute)"
    function_name = module.function[name].function.function_name
    alias         = module.function[name].alias.name
    alias_arn     = module.function[name].alias.arn
  } if function.trigger == "schedule" }
  event_age_seconds = local.event_age_seconds
  tags              = local.tags
}

module "observability" {
  source = "../observability"

  prefix         = local.prefix
  environment    = local.live ? "live" : "test"
  functions      = { for name, function in local.functions : name => { trigger = function.trigger } }
  tables         = keys(local.tables)
  api_id         = module.api.api.id
  alarms         = local.alarms
  thresholds     = var.alarm_thresholds
  dashboard_file = "${path.module}/../../dashboard.json"
  alarm_actions  = var.alarm_actions
  tags           = local.tags
}
