module "plane" {
  source = "../../modules/plane"

  # What environments may differ in.
  environment                  = "staging"
  deletion_protection          = false
  recovery_days                = 7
  secret_recovery_days         = 7
  log_retention_days           = 30
  reserved_concurrency         = { maintenance = 2 }
  provisioned_concurrency      = {}
  provisioned_capacity         = {}
  disable_execute_api_endpoint = false
  deployment_config            = "CodeDeployDefault.LambdaAllAtOnce"

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
