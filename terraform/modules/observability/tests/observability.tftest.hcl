# The alarms are what alarms.json says, and thresholds can be others.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
}

variables {
  prefix         = "hybrid-ci-staging"
  environment    = "test"
  functions      = { queue = { trigger = "http" }, maintenance = { trigger = "schedule" } }
  tables         = ["jobs"]
  api_id         = "api0"
  dashboard_file = "../../dashboard.json"
  alarm_actions  = ["arn:aws:sns:eu-central-1:111122223333:alarms"]
  tags           = { project = "hybrid-ci" }
  alarms = {
    function = { duration = {
      description    = "$${function} is slow.", comparison = "GreaterThanOrEqualToThreshold", threshold = { http = 22400, schedule = 75000 }
      period_seconds = 60, evaluation_periods = 5, datapoints_to_alarm = 2, missing = "notBreaching", query = null
      metric         = { namespace = "AWS/Lambda", name = "Duration", dimensions = { FunctionName = "$${prefix}-$${function}" }, statistic = "p99" }
    } }
    table = { throttled = {
      description    = "$${table} throttles.", comparison = "GreaterThanOrEqualToThreshold", threshold = 1
      period_seconds = 60, evaluation_periods = 5, datapoints_to_alarm = 2, missing = "notBreaching", metric = null
      query          = "SELECT SUM(ThrottledRequests) FROM \"AWS/DynamoDB\" WHERE TableName = '$${prefix}-$${table}'"
    } }
    plane = { api-5xx = {
      description    = "5xx.", comparison = "GreaterThanOrEqualToThreshold", threshold = 5
      period_seconds = 60, evaluation_periods = 5, datapoints_to_alarm = 2, missing = "notBreaching", query = null
      metric         = { namespace = "AWS/ApiGateway", name = "5xx", dimensions = { ApiId = "$${api_id}", Stage = "$default" }, statistic = "Sum" }
    } }
  }
  thresholds = { api-5xx = 50 }
}

run "alarms_are_what_their_description_says" {
  command = plan

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(["queue-duration", "maintenance-duration", "table-jobs-throttled", "api-5xx"])
    error_message = "There are other alarms."
  }
  assert {
    condition = alltrue([
      aws_cloudwatch_metric_alarm.this["queue-duration"].alarm_name == "hybrid-ci-staging-queue-duration",
      aws_cloudwatch_metric_alarm.this["queue-duration"].alarm_description == "queue is slow.",
      aws_cloudwatch_metric_alarm.this["queue-duration"].dimensions == tomap({ FunctionName = "hybrid-ci-staging-queue" }),
      aws_cloudwatch_metric_alarm.this["queue-duration"].extended_statistic == "p99",
      aws_cloudwatch_metric_alarm.this["queue-duration"].threshold == 22400,
      aws_cloudwatch_metric_alarm.this["maintenance-duration"].threshold == 75000,
      aws_cloudwatch_metric_alarm.this["queue-duration"].period == 60,
      aws_cloudwatch_metric_alarm.this["queue-duration"].evaluation_periods == 5,
      aws_cloudwatch_metric_alarm.this["queue-duration"].datapoints_to_alarm == 2,
      aws_cloudwatch_metric_alarm.this["queue-duration"].treat_missing_data == "notBreaching",
      aws_cloudwatch_metric_alarm.this["queue-duration"].ok_actions == toset(var.alarm_actions),
    ])
    error_message = "An alarm by a metric differs."
  }
  assert {
    condition = alltrue([
      one(aws_cloudwatch_metric_alarm.this["table-jobs-throttled"].metric_query).expression == "SELECT SUM(ThrottledRequests) FROM \"AWS/DynamoDB\" WHERE TableName = 'hybrid-ci-staging-jobs'",
      one(aws_cloudwatch_metric_alarm.this["table-jobs-throttled"].metric_query).period == 60,
    ])
    error_message = "An alarm by a query differs."
  }
  assert {
    condition = alltrue([
      aws_cloudwatch_metric_alarm.this["api-5xx"].dimensions == tomap({ ApiId = "api0", Stage = "$default" }),
      aws_cloudwatch_metric_alarm.this["api-5xx"].statistic == "Sum",
      aws_cloudwatch_metric_alarm.this["api-5xx"].threshold == 50,
    ])
    error_message = "An alarm of the API differs, or has not the threshold that was chosen."
  }
  assert {
    condition = alltrue([
      can(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body)),
      !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "$${"),
      aws_cloudwatch_dashboard.this.dashboard_name == "hybrid-ci-staging",
    ])
    error_message = "The dashboard is not well formed."
  }
}

run "a_threshold_of_no_alarm_is_refused" {
  command = plan

  variables {
    thresholds = { api-6xx = 50 }
  }

  expect_failures = [var.thresholds]
}
