# What each function is given: its code at the beginning, its variables, and what its role allows.

locals {
  # A release has <binary>.zip; `cargo lambda build --output-format zip` leaves <binary>/bootstrap.zip.
  packages = { for name, function in local.functions : name =>
    fileexists("${var.artifacts}/${function.binary}.zip") ? "${var.artifacts}/${function.binary}.zip" : "${var.artifacts}/${function.binary}/bootstrap.zip"
  }

  # The variables that this module knows the values of. One that functions require and that is not here ends the plan.
  values = merge(
    {
      ENVIRONMENT   = local.live ? "live" : "test"
      PUBLIC_ORIGIN = module.api.origin
      LOG_LEVEL     = var.log_level
    },
    var.github_client_id == null ? {} : { GITHUB_CLIENT_ID = var.github_client_id },
    var.google_client_id == null ? {} : { GOOGLE_CLIENT_ID = var.google_client_id },
    var.settings,
  )

  environments = { for name, function in local.functions : name => merge(
    { for table in function.tables : local.tables[table].variable => module.tables.tables[table].name },
    { for variable in function.environment.required : variable => local.values[variable] },
    { for variable in function.environment.optional : variable => local.values[variable] if contains(keys(local.values), variable) },
    { for variable in function.secrets : variable => aws_secretsmanager_secret.this[variable].arn if local.secret_is_used[variable] },
  ) }

  # While functions of the release before are still called, their roles allow what either release does.
  previous = jsondecode(var.previous_plane == null ? "{\"functions\": {}}" : file(var.previous_plane)).functions

  # Tables and indexes by what stands behind the table's ARN, each with the actions on it.
  permitted = { for name, function in local.functions : name => {
    for permission in concat(function.permissions, try(local.previous[name].permissions, [])) :
    "${permission.table}${permission.index == null ? "" : "/index/${permission.index}"}" => permission.actions...
    if contains(keys(local.tables), permission.table)
  } }

  permissions = { for name, resources in local.permitted : name => [
    for resource, actions in resources : {
      resource = "${module.tables.tables[split("/", resource)[0]].arn}${trimprefix(resource, split("/", resource)[0])}"
      actions  = sort(distinct(flatten(actions)))
    }
  ] }
}

# What roles allow besides, also what they did in the release before, each once.
locals {
  grants = { for name, function in local.functions : name => values({
    for grant in concat(function.grants, try(local.previous[name].grants, [])) : jsonencode(grant) => grant...
  })[*][0] }
}

# The secrets have no value here, so that none is ever in the state or in a plan. Whoever runs the control plane puts it there.
locals {
  # A provider that is off has no secret, and its function must not be told of one.
  secret_is_used = {
    GITHUB_CLIENT_SECRET_ARN = var.github_client_id != null
    GOOGLE_CLIENT_SECRET_ARN = var.google_client_id != null
    # There is no switch for it: without a value agents have no HMAC keys, and everything else works.
    HMAC_KEY_ENCRYPTION_KEY_ARN = true
  }

  secrets = { for variable in distinct(flatten(values(local.functions)[*].secrets)) :
    variable => "${local.prefix}/${lower(replace(trimsuffix(variable, "_ARN"), "_", "-"))}" if local.secret_is_used[variable]
  }
}

resource "aws_secretsmanager_secret" "this" {
  for_each = local.secrets

  name                    = each.value
  description             = "What ${trimsuffix(each.key, "_ARN")} is for the functions of ${local.prefix}."
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
  tags                    = local.tags
}
