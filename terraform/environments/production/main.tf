module "plane" {
  source = "../../modules/plane"

  # What environments may differ in.
  environment                  = "production"
  deletion_protection          = true
  recovery_days                = 35
  secret_recovery_days         = 30
  log_retention_days           = 365
  reserved_concurrency         = { maintenance = 2, queue = 300, agents = 200, dashboard = 100, auth = 50, relays = 50, orchestrator = 20 }
  provisioned_concurrency      = {}
  provisioned_capacity         = {}
  disable_execute_api_endpoint = true
  deployment_config            = "CodeDeployDefault.LambdaCanary10Percent5Minutes"

  # What an account has that others have not: terraform.tfvars.
  artifacts        = var.artifacts
  github_client_id = var.github_client_id
  google_client_id = var.google_client_id
  log_level        = var.log_level
  settings         = var.settings
  domain           = var.domain
  kms_key_arn      = var.kms_key_arn
  alarm_actions    = var.alarm_actions
  alarm_thresholds = var.alarm_thresholds
  previous_plane   = var.previous_plane
  release_role     = var.release_role
  tags             = var.tags
}
