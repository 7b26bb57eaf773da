//! The SAM template, compared with the description of the plane and with what Terraform reads from files.

mod alarms;
mod described;
mod differences;
mod functions;
mod stack;
mod yaml;

use crate::harness::project_root;
use alarms::Names;
use differences::differences;
use functions::Compared;
use serde_json::{Value, json};
use stack::Stack;
use std::collections::BTreeSet;

/// What is given to a template that is to have everything.
const EVERYTHING: [(&str, &str); 15] = [
    ("Environment", "production"),
    ("DomainName", "ci.example.com"),
    ("CertificateArn", "arn:aws:acm:eu-central-1:1:certificate/a"),
    ("HostedZoneId", "Z1"),
    ("DisableExecuteApiEndpoint", "true"),
    ("GitHubClientId", "Iv1.0"),
    (
        "GitHubAuthorizeUrl",
        "https://github.example.com/login/oauth/authorize",
    ),
    (
        "GitHubTokenUrl",
        "https://github.example.com/login/oauth/access_token",
    ),
    ("GitHubApiUrl", "https://github.example.com/api/v3"),
    ("GoogleClientId", "1-a.apps.googleusercontent.com"),
    ("KmsKeyArn", "arn:aws:kms:eu-central-1:1:key/a"),
    ("AlarmTopicArn", "arn:aws:sns:eu-central-1:1:alarms"),
    ("LogLevel", "warn"),
    ("OtlpEndpoint", "http://localhost:4318"),
    ("LogRetentionDays", "365"),
];

/// What somebody gives it at least: a provider to sign in with.
const LITTLE: [(&str, &str); 1] = [("GitHubClientId", "Iv1.0")];

/// The template.
pub(super) fn read() -> Value {
    let text = std::fs::read_to_string(project_root().join("template.yaml"));
    yaml::read(&text.unwrap())
}

fn kept(name: &str) -> Value {
    let text = std::fs::read(project_root().join("terraform").join(name));
    serde_json::from_slice(&text.unwrap()).unwrap()
}

/// Whatever a template has otherwise than the plane, with little that is optional or with everything.
pub(super) fn faults(template: &Value) -> BTreeSet<String> {
    let plane = kept("plane.json");
    let mut faults = BTreeSet::new();
    for (name, _) in EVERYTHING.iter().chain(&LITTLE) {
        if template["Parameters"].get(name).is_none() {
            faults.insert(format!("there is no parameter {name}"));
        }
    }
    for parameters in [&LITTLE[..], &EVERYTHING] {
        faults.extend(faults_with(template, parameters, &plane));
    }
    faults
}

fn faults_with(template: &Value, parameters: &[(&str, &str)], plane: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let given = |name: &str| {
        let given = parameters.iter().find(|(known, _)| *known == name);
        given.map_or("", |(_, value)| *value)
    };
    let live = given("Environment") == "production";
    let prefix = if live {
        "hybrid-ci-production"
    } else {
        "hybrid-ci-staging"
    };
    let names = Names {
        prefix,
        environment: if live { "live" } else { "test" },
        topic: given("AlarmTopicArn"),
    };
    let stack = Stack::of(template, parameters);
    let expected = tables(plane, live);
    let found = described::tables(&stack, prefix);
    faults.extend(named("tables", &differences(&expected, &found)));
    let compared = Compared {
        stack: &stack,
        names: &names,
        key: given("KmsKeyArn"),
        off: if live {
            &[]
        } else {
            &["GOOGLE_CLIENT_SECRET_ARN"]
        },
    };
    faults.extend(named("functions", &compared.faults(plane)));
    let expected = names.alarms(&kept("alarms.json"), plane);
    let found = alarms::alarms(&stack);
    faults.extend(named("alarms", &differences(&expected, &found)));
    let expected = names.dashboards(&kept("dashboard.json"));
    let found = alarms::dashboards(&stack);
    faults.extend(named("dashboards", &differences(&expected, &found)));
    faults.extend(named("stage", &stage(&stack)));
    faults
}

fn named<'a>(what: &'a str, faults: &'a [String]) -> impl Iterator<Item = String> + 'a {
    faults.iter().map(move |fault| format!("{what}{fault}"))
}

/// The tables as they are to be.
fn tables(plane: &Value, live: bool) -> Value {
    let mut tables = plane["tables"].clone();
    for table in tables.as_object_mut().unwrap().values_mut() {
        table.as_object_mut().unwrap().remove("variable");
        table["recovery"] = json!(true);
        table["encryption"] = json!(true);
        table["deletion_protection"] = json!(live);
    }
    tables
}

/// How the API's stage is otherwise than Terraform's.
fn stage(stack: &Stack) -> Vec<String> {
    let throttles = |settings: &Value| json!({ "rate": settings["ThrottlingRateLimit"], "burst": settings["ThrottlingBurstLimit"] });
    let stages = stack.all("AWS::ApiGatewayV2::Stage");
    let stages = stages.map(|(_, resource)| {
        let stage = &resource["Properties"];
        let routes = stage["RouteSettings"].as_object().into_iter().flatten();
        let routes = routes.map(|(route, settings)| (route.clone(), throttles(settings)));
        let format = stage["AccessLogSettings"]["Format"].as_str();
        let format: Option<Value> = format.and_then(|format| serde_json::from_str(format).ok());
        json!({
            "name": stage["StageName"],
            "throttles": { "default": throttles(&stage["DefaultRouteSettings"]), "routes": Value::Object(routes.collect()) },
            "access_log": format,
        })
    });
    let found: Vec<_> = stages.collect();
    let expected = json!([{
        "name": "$default",
        "throttles": kept("throttles.json"),
        "access_log": kept("access-log.json"),
    }]);
    differences(&expected, &json!(found))
}
