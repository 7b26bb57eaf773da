//! Templates that are wrong in one way each, and what is to be said of them.

use serde_json::{Value, json};

/// One thing that is otherwise than it should be.
pub(super) struct Alteration {
    /// Where it is in the template, as a JSON pointer.
    pub(super) place: String,
    /// What is there now.
    pub(super) value: Value,
    /// What is to be said of it.
    pub(super) fault: &'static str,
}

fn altered(place: impl Into<String>, value: Value, fault: &'static str) -> Alteration {
    Alteration {
        place: place.into(),
        value,
        fault,
    }
}

pub(super) fn all() -> Vec<Alteration> {
    [tables(), functions(), roles(), others()]
        .into_iter()
        .flatten()
        .collect()
}

fn tables() -> Vec<Alteration> {
    const JOBS: &str = "/Resources/JobsTable/Properties";
    let of = |part: &str| format!("{JOBS}{part}");
    vec![
        altered(of("/TableName"), json!("jobs"), "tables/jobs"),
        altered(
            of("/KeySchema/1/AttributeName"),
            json!("pk"),
            "tables/jobs/sort_key",
        ),
        altered(
            of("/AttributeDefinitions/0/AttributeType"),
            json!("N"),
            "tables/jobs/attributes/pk",
        ),
        altered(
            of("/GlobalSecondaryIndexes/0/IndexName"),
            json!("due"),
            "tables/jobs/indexes/due is too much",
        ),
        altered(
            of("/GlobalSecondaryIndexes/0/KeySchema/0/AttributeName"),
            json!("lpk"),
            "tables/jobs/indexes/deadline/partition_key",
        ),
        altered(
            of("/GlobalSecondaryIndexes/0/Projection/ProjectionType"),
            json!("ALL"),
            "tables/jobs/indexes/deadline/projection",
        ),
        altered(
            of("/GlobalSecondaryIndexes"),
            json!([]),
            "tables/jobs/indexes/ready is missing",
        ),
        altered(
            of("/TimeToLiveSpecification/Enabled"),
            json!(false),
            "tables/jobs/ttl_attribute",
        ),
        altered(
            of("/TimeToLiveSpecification/AttributeName"),
            json!("expires_at"),
            "tables/jobs/ttl_attribute",
        ),
        altered(
            of("/PointInTimeRecoverySpecification"),
            Value::Null,
            "tables/jobs/recovery",
        ),
        altered(
            of("/SSESpecification/SSEEnabled"),
            json!(false),
            "tables/jobs/encryption",
        ),
        altered(
            of("/DeletionProtectionEnabled"),
            json!(false),
            "tables/jobs/deletion_protection",
        ),
        altered(
            "/Resources/AuditTable",
            json!({}),
            "tables/audit is missing",
        ),
    ]
}

fn functions() -> Vec<Alteration> {
    const QUEUE: &str = "/Resources/QueueFunction";
    let of = |part: &str| format!("{QUEUE}{part}");
    let variables = "/Properties/Environment/Variables";
    vec![
        altered(
            "/Globals/Function/MemorySize",
            json!(128),
            "functions/queue/size/0",
        ),
        altered(
            "/Resources/MaintenanceFunction/Properties/Timeout",
            json!(28),
            "functions/maintenance/size/1",
        ),
        altered(
            of("/Metadata/BuildProperties/Binary"),
            json!("agents"),
            "functions/queue/binary",
        ),
        altered(
            of(&format!("{variables}/DYNAMODB_TABLE_JOBS")),
            json!("jobs-2"),
            "functions/queue/tables/DYNAMODB_TABLE_JOBS",
        ),
        altered(
            of(&format!("{variables}/PUBLIC_ORIGIN")),
            json!(""),
            "\"PUBLIC_ORIGIN\" is not set",
        ),
        altered(
            of(variables),
            json!({ "PUBLIC_ORIGIN": "https://a", "AUTO_RETRY": "1" }),
            "\"AUTO_RETRY\" is not read",
        ),
        altered(
            of(variables),
            json!({ "PUBLIC_ORIGIN": "https://a" }),
            "functions/queue/tables/DYNAMODB_TABLE_JOBS is missing",
        ),
        altered(
            "/Globals/Function/Environment/Variables/ENVIRONMENT",
            json!("test"),
            "\"ENVIRONMENT\" is test",
        ),
        altered(
            "/Resources/AuthFunction/Properties/Environment/Variables/GITHUB_CLIENT_SECRET_ARN",
            json!(""),
            "functions/auth/secrets lacks",
        ),
        altered(
            of("/Properties/DeploymentPreference/Alarms"),
            json!([]),
            "functions/queue/roll_back lacks",
        ),
        altered(
            of("/Properties/LoggingConfig/LogGroup"),
            json!("${AuthLogGroup}"),
            "functions/queue/log_group",
        ),
        altered(
            "/Resources/QueueClaimJobRoute/Properties/RouteKey",
            json!("POST /api/queue/claims"),
            "functions/queue/routes lacks \"POST /api/queue/claim\"",
        ),
        altered(
            "/Resources/QueueClaimJobRoute/Properties/Target",
            json!("integrations/${AuthIntegration}"),
            "functions/auth/routes has \"POST /api/queue/claim\" too much",
        ),
        altered(
            "/Resources/QueueIntegration/Properties/PayloadFormatVersion",
            json!("1.0"),
            "functions/queue/routes lacks",
        ),
        altered(
            "/Resources/MaintenanceFunction/Properties/Events",
            json!({}),
            "functions/maintenance/trigger",
        ),
    ]
}

fn roles() -> Vec<Alteration> {
    const TABLES: &str = "/Resources/QueueRole/Properties/Policies/0/PolicyDocument/Statement";
    let of = |part: &str| format!("{TABLES}{part}");
    vec![
        altered(
            of("/0/Action"),
            json!(["dynamodb:*"]),
            "functions/queue/permissions/jobs has \"dynamodb:*\" too much",
        ),
        altered(
            of("/0/Action"),
            json!("*"),
            "functions/queue/permissions/jobs has \"*\" too much",
        ),
        altered(
            of("/0/Action/0"),
            json!("dynamodb:Scan"),
            "functions/queue/permissions/jobs has \"dynamodb:Scan\" too much",
        ),
        altered(
            of("/0/Resource"),
            json!("*"),
            "functions/queue/permissions/* is too much",
        ),
        altered(
            of("/0/Resource"),
            json!("${DeploymentsTable.Arn}"),
            "functions/queue/permissions/deployments is too much",
        ),
        altered(
            of("/0/Effect"),
            json!("Deny"),
            "functions/queue/permissions/jobs is missing",
        ),
        altered(
            of(""),
            json!([]),
            "functions/queue/permissions/jobs is missing",
        ),
        altered(
            "/Resources/QueueRole/Properties/Policies/1/PolicyDocument/Statement/0/Action",
            json!("iam:PassRole"),
            "functions/queue/other_permissions has \"iam:PassRole",
        ),
        altered(
            "/Resources/QueueRole/Properties/Policies/1/PolicyDocument/Statement/0/Resource",
            json!("*"),
            "functions/queue/other_permissions lacks",
        ),
        altered(
            "/Resources/QueueRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal",
            json!("*"),
            "functions/queue/assumed_by",
        ),
    ]
}

fn others() -> Vec<Alteration> {
    vec![
        altered(
            "/Resources/QueueErrorsAlarm/Properties/Threshold",
            json!(2),
            "alarms/hybrid-ci-staging-queue-errors/threshold",
        ),
        altered(
            "/Resources/QueueErrorsAlarm/Properties/AlarmName",
            json!("errors"),
            "alarms/hybrid-ci-staging-queue-errors is missing",
        ),
        altered(
            "/Resources/QueueOldestWaitAlarm/Properties/Metrics/0/Expression",
            json!("SELECT 1"),
            "alarms/hybrid-ci-staging-queue-oldest-wait/query",
        ),
        altered(
            "/Resources/QueueErrorsAlarm/Properties/AlarmActions",
            json!([]),
            "alarms/hybrid-ci-production-queue-errors/alarm_actions",
        ),
        altered(
            "/Resources/MaintenanceMissingAlarm/Properties/TreatMissingData",
            json!("ignore"),
            "maintenance-missing/missing",
        ),
        altered(
            "/Resources/Dashboard/Properties/DashboardBody",
            json!("{}"),
            "dashboards/hybrid-ci-staging/widgets is missing",
        ),
        altered(
            "/Resources/ApiStage/Properties/RouteSettings/POST ~1auth~1session/ThrottlingRateLimit",
            json!(1),
            "stage/0/throttles/routes",
        ),
        altered(
            "/Resources/ApiStage/Properties/AccessLogSettings/Format",
            json!("$context.path"),
            "stage/0/access_log",
        ),
    ]
}
