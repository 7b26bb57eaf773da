# What a plan has to come to, computed from plane.json by other means than the modules do.

locals {
  plane     = jsondecode(file("${path.module}/../../../../plane.json"))
  functions = local.plane.functions
  tables    = local.plane.tables

  permitted = { for name, function in local.functions : name => [for permission in function.permissions : jsonencode({
    Effect   = "Allow"
    Action   = sort(permission.actions)
    Resource = join("/", compact(["arn:aws:dynamodb:eu-central-1:111122223333:table", permission.table, permission.index == null ? "" : "index", permission.index]))
  })] }

  logged = { for name in keys(local.functions) : name => [jsonencode({
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = "arn:aws:logs:eu-central-1:111122223333:log-group:${name}:log-stream:*"
  })] }

  granted = { for name, function in local.functions : name => [for grant in function.grants : jsonencode(
    { for key, value in { Effect = "Allow", Action = grant.actions, Resource = grant.resource, Condition = grant.condition } : key => value if value != null }
  )] }

  secret_names = {
    GITHUB_CLIENT_SECRET_ARN    = "github-client-secret"
    GOOGLE_CLIENT_SECRET_ARN    = "google-client-secret"
    HMAC_KEY_ENCRYPTION_KEY_ARN = "hmac-key-encryption-key"
  }

  secrets = { for name, function in local.functions : name => [for variable in function.secrets : jsonencode({
    Effect   = "Allow"
    Action   = ["secretsmanager:GetSecretValue"]
    Resource = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:${local.secret_names[variable]}-AbCdEf"
  })] }

  dead_letters = { for name, function in local.functions : name => function.trigger == "schedule" ? [jsonencode({
    Effect   = "Allow"
    Action   = ["sqs:SendMessage"]
    Resource = "arn:aws:sqs:eu-central-1:111122223333:dead-letters"
  })] : [] }
}

output "functions" {
  value = local.functions
}

output "tables" {
  value = local.tables
}

# Each statement as text, so that sets of them can be compared.
output "statements" {
  value = { for name in keys(local.functions) :
    name => toset(concat(local.permitted[name], local.logged[name], local.secrets[name], local.granted[name], local.dead_letters[name]))
  }
}

output "granted_resources" {
  value = distinct(flatten([for function in local.functions : [for grant in function.grants : grant.resource]]))
}

output "key_statement" {
  value = { for name, function in local.functions : name => jsonencode({
    Effect   = "Allow"
    Action   = ["kms:Decrypt"]
    Resource = "arn:aws:kms:eu-central-1:111122223333:key/own"
    Condition = { StringEquals = { "kms:ViaService" = concat(
      ["dynamodb.eu-central-1.amazonaws.com"],
      [for service in ["secretsmanager.eu-central-1.amazonaws.com"] : service if length(function.secrets) > 0],
    ) } }
  }) }
}

output "variables" {
  value = { for name, function in local.functions : name => toset(concat(
    [for table in function.tables : local.tables[table].variable],
    function.environment.required,
    function.environment.optional,
    function.secrets,
  )) }
}

output "routes" {
  value = merge([for name, function in local.functions : { for route in function.routes : route => name }]...)
}

output "alarms" {
  value = toset(flatten([
    [for name in keys(local.functions) : [for key in ["errors", "throttles", "duration"] : "${name}-${key}"]],
    [for table in keys(local.tables) : "table-${table}-throttled"],
    "maintenance-missing", "dead-letters", "queue-oldest-wait", "jobs-failure-rate", "agents-offline", "api-5xx", "api-latency",
  ]))
}
