# The alarms and the dashboard. What they are stands in alarms.json and dashboard.json, which template.yaml is compared with.

locals {
  # Every alarm with whom it is about: of each function, of each table, of the control plane as a whole.
  listed = merge(
    merge([for function, details in var.functions : {
      for key, alarm in var.alarms.function : "${function}-${key}" => { alarm = alarm, function = function, table = "" }
    }]...),
    merge([for table in var.tables : {
      for key, alarm in var.alarms.table : "table-${table}-${key}" => { alarm = alarm, function = "", table = table }
    }]...),
    { for key, alarm in var.alarms.plane : key => { alarm = alarm, function = "", table = "" } },
  )

  # The texts with what their placeholders stand for.
  texts = { for key, item in local.listed : key => {
    for name, text in { description = item.alarm.description, query = item.alarm.query == null ? "" : item.alarm.query } :
    name => replace(replace(replace(replace(text,
      "$${prefix}", var.prefix),
      "$${environment}", var.environment),
      "$${function}", item.function),
    "$${table}", item.table)
  } }

  # A dimension that is the API's id as a whole is known only once there is an API; all others are known beforehand.
  dimensions = { for key, item in local.listed : key => item.alarm.metric == null ? null : {
    for name, value in item.alarm.metric.dimensions : name => value == "$${api_id}" ? var.api_id : replace(replace(replace(value,
      "$${prefix}", var.prefix),
      "$${environment}", var.environment),
    "$${function}", item.function)
  } }

  # A number, or one for each kind of function.
  thresholds = { for key, item in local.listed : key => try(
    var.thresholds[key],
    item.alarm.threshold[var.functions[item.function].trigger],
    item.alarm.threshold,
  ) }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.listed

  alarm_name          = "${var.prefix}-${each.key}"
  alarm_description   = local.texts[each.key].description
  comparison_operator = each.value.alarm.comparison
  threshold           = local.thresholds[each.key]
  evaluation_periods  = each.value.alarm.evaluation_periods
  datapoints_to_alarm = each.value.alarm.datapoints_to_alarm
  treat_missing_data  = each.value.alarm.missing
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags

  namespace          = try(each.value.alarm.metric.namespace, null)
  metric_name        = try(each.value.alarm.metric.name, null)
  dimensions         = local.dimensions[each.key]
  period             = each.value.alarm.metric == null ? null : each.value.alarm.period_seconds
  statistic          = try(startswith(each.value.alarm.metric.statistic, "p"), true) ? null : each.value.alarm.metric.statistic
  extended_statistic = try(startswith(each.value.alarm.metric.statistic, "p"), false) ? each.value.alarm.metric.statistic : null

  dynamic "metric_query" {
    for_each = each.value.alarm.query == null ? [] : [local.texts[each.key].query]
    content {
      id          = "q1"
      expression  = metric_query.value
      period      = each.value.alarm.period_seconds
      return_data = true
    }
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.prefix
  dashboard_body = templatefile(var.dashboard_file, {
    prefix      = var.prefix
    environment = var.environment
    region      = data.aws_region.current.region
    api_id      = var.api_id
  })
}

data "aws_region" "current" {}
