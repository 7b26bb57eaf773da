//! What a template describes, in the words of `terraform/plane.json`.

use super::stack::Stack;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = "AWS::DynamoDB::Table";
const FUNCTION: &str = "AWS::Serverless::Function";

/// The variables that say where a secret is kept.
const KEPT: &str = "_ARN";

/// A name without what all names of the plane begin with.
fn short(name: &Value, prefix: &str) -> String {
    let name = text(name);
    let short = name.strip_prefix(prefix);
    match short.and_then(|name| name.strip_prefix('-')) {
        Some(short) => short.to_owned(),
        None => format!("{name} (which does not begin with {prefix})"),
    }
}

/// The tables, without what the code alone knows of them.
pub(super) fn tables(stack: &Stack, prefix: &str) -> Value {
    let tables = stack.all(TABLE).map(|(_, resource)| {
        let table = &resource["Properties"];
        let name = short(&table["TableName"], prefix);
        (name, described_table(table))
    });
    Value::Object(tables.collect())
}

fn described_table(table: &Value) -> Value {
    let attributes = list(&table["AttributeDefinitions"]);
    let attributes: Map<_, _> = attributes
        .map(|one| (text(&one["AttributeName"]), one["AttributeType"].clone()))
        .collect();
    let indexes = list(&table["GlobalSecondaryIndexes"]).map(|index| {
        let (partition_key, sort_key) = keys(&index["KeySchema"]);
        let projection = &index["Projection"];
        let included = projection.get("NonKeyAttributes").cloned();
        let described = json!({
            "partition_key": partition_key, "sort_key": sort_key,
            "projection": projection["ProjectionType"],
            "non_key_attributes": included.unwrap_or_else(|| json!([])),
        });
        (text(&index["IndexName"]), described)
    });
    let indexes: Map<_, _> = indexes.collect();
    let (partition_key, sort_key) = keys(&table["KeySchema"]);
    let ttl = &table["TimeToLiveSpecification"];
    json!({
        "partition_key": partition_key,
        "sort_key": sort_key,
        "ttl_attribute": if ttl["Enabled"] == true { &ttl["AttributeName"] } else { &Value::Null },
        "attributes": attributes,
        "indexes": indexes,
        "recovery": table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
        "encryption": table["SSESpecification"]["SSEEnabled"],
        "deletion_protection": table["DeletionProtectionEnabled"],
    })
}

fn keys(schema: &Value) -> (Value, Value) {
    let of = |kind: &str| {
        let mut keys = list(schema);
        let key = keys.find(|key| key["KeyType"] == kind);
        key.map_or(Value::Null, |key| key["AttributeName"].clone())
    };
    (of("HASH"), of("RANGE"))
}

/// A function of a template.
pub(super) struct Function {
    /// What can be said in the words of the description, and what there is to be for every function.
    pub(super) described: Value,
    /// Variables that are neither of tables nor of secrets.
    pub(super) environment: BTreeMap<String, String>,
    /// Where each secret is kept, by variable.
    pub(super) secrets: BTreeMap<String, String>,
    /// The ARN of its log group.
    pub(super) log_group: String,
    /// Where events go that it fails with.
    pub(super) dead_letters: Option<String>,
}

/// The functions, by name.
pub(super) fn functions(stack: &Stack, prefix: &str) -> BTreeMap<String, Function> {
    let functions = stack.all(FUNCTION).map(|(id, resource)| {
        let name = short(&resource["Properties"]["FunctionName"], prefix);
        (name, function(stack, (id, resource), prefix))
    });
    functions.collect()
}

fn function(stack: &Stack, (id, resource): (&str, &Value), prefix: &str) -> Function {
    let function = &resource["Properties"];
    let role = stack.behind(&function["Role"]);
    let logs = text(&function["LoggingConfig"]["LogGroup"]);
    let on_failure = &function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
    let routes = routes(stack, id);
    let events = function["Events"].as_object().into_iter().flatten();
    let schedules: Vec<_> = events
        .map(|(_, event)| event)
        .filter(|event| event["Type"] == "Schedule")
        .map(|event| text(&event["Properties"]["Schedule"]))
        .collect();
    let Variables {
        tables,
        secrets,
        environment,
    } = variables(&function["Environment"]["Variables"], prefix);
    let described = json!({
        "binary": resource["Metadata"]["BuildProperties"]["Binary"],
        "trigger": if schedules.is_empty() { "http" } else { "schedule" },
        "schedules": schedules,
        "size": [function["MemorySize"], function["Timeout"]],
        "routes": routes,
        "tables": tables,
        "secrets": secrets.keys().collect::<Vec<_>>(),
        "permissions": permissions(stack, role, prefix),
        "other_permissions": other_permissions(role),
        "other_policies": [role.get("ManagedPolicyArns"), function.get("Policies")],
        "assumed_by": role["AssumeRolePolicyDocument"]["Statement"],
        "roll_back": roll_back(stack, function),
        "log_group": stack.behind(&json!(logs))["LogGroupName"],
    });
    Function {
        described,
        environment,
        secrets,
        log_group: logs.replace('}', ".Arn}"),
        dead_letters: on_failure["Destination"].as_str().map(str::to_owned),
    }
}

/// The names of the alarms that take a new version back.
fn roll_back(stack: &Stack, function: &Value) -> Value {
    let alarms = list(&function["DeploymentPreference"]["Alarms"]);
    alarms
        .map(|alarm| stack.behind(alarm)["AlarmName"].clone())
        .collect()
}

/// The routes that lead to a function's alias.
fn routes(stack: &Stack, id: &str) -> BTreeSet<String> {
    let alias = format!("${{{id}.Alias}}");
    let leads_here = |route: &Value| {
        let target = text(&route["Target"]);
        let integration = target.strip_prefix("integrations/").unwrap_or_default();
        let integration = stack.behind(&json!(integration));
        integration["IntegrationUri"] == alias.as_str()
            && integration["PayloadFormatVersion"] == "2.0"
            && integration["IntegrationType"] == "AWS_PROXY"
            && route["ApiId"] == integration["ApiId"]
    };
    stack
        .all("AWS::ApiGatewayV2::Route")
        .map(|(_, resource)| &resource["Properties"])
        .filter(|route| leads_here(route))
        .map(|route| text(&route["RouteKey"]))
        .collect()
}

/// Variables, told apart by what they say.
struct Variables {
    tables: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

fn variables(all: &Value, prefix: &str) -> Variables {
    let mut variables = Variables {
        tables: BTreeMap::new(),
        secrets: BTreeMap::new(),
        environment: BTreeMap::new(),
    };
    for (name, value) in all.as_object().into_iter().flatten() {
        let (name, said) = (name.clone(), text(value));
        if name.starts_with("DYNAMODB_TABLE_") {
            variables.tables.insert(name, short(value, prefix));
        } else if !name.ends_with(KEPT) {
            variables.environment.insert(name, said);
        } else if !said.is_empty() {
            // An empty one is none.
            variables.secrets.insert(name, said);
        }
    }
    variables
}

/// Every statement of a role, as actions and resources.
fn statements(role: &Value) -> Vec<(BTreeSet<String>, BTreeSet<String>)> {
    let policies = list(&role["Policies"]);
    policies
        .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
        .map(|statement| {
            // Anything but an ordinary permission is one that no description has.
            let known = ["Effect", "Action", "Resource", "Condition", "Sid"];
            let strange = statement
                .as_object()
                .is_none_or(|parts| parts.keys().any(|part| !known.contains(&part.as_str())));
            if strange || statement["Effect"] != "Allow" {
                return ([statement.to_string()].into(), ["?".to_owned()].into());
            }
            (texts(&statement["Action"]), texts(&statement["Resource"]))
        })
        .collect()
}

/// What a role allows on tables and their indexes, by `jobs` or `jobs/index/ready`.
fn permissions(stack: &Stack, role: &Value, prefix: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for (actions, resources) in statements(role) {
        for resource in &resources {
            let of_tables = actions.iter().filter(|action| is_of_tables(action));
            let of_tables: BTreeSet<_> = of_tables.cloned().collect();
            if !of_tables.is_empty() {
                let on = table_of(stack, resource, prefix);
                found.entry(on).or_default().extend(of_tables);
            }
        }
    }
    found
}

fn is_of_tables(action: &str) -> bool {
    // A star at the beginning reaches tables as well.
    action.starts_with("dynamodb:") || action.starts_with('*')
}

/// The table of an ARN, with the index; the ARN itself if it is no table's.
fn table_of(stack: &Stack, resource: &str, prefix: &str) -> String {
    let Some((arn, rest)) = resource.split_once(".Arn}") else {
        return resource.to_owned();
    };
    match stack.behind(&json!(arn)).get("TableName") {
        Some(name) => format!("{}{rest}", short(name, prefix)),
        None => resource.to_owned(),
    }
}

/// What a role allows besides.
fn other_permissions(role: &Value) -> BTreeSet<String> {
    let mut others = BTreeSet::new();
    for (actions, resources) in statements(role) {
        for action in actions.iter().filter(|action| !is_of_tables(action)) {
            others.extend(resources.iter().map(|on| format!("{action} on {on}")));
        }
    }
    others
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A text, or a list of texts.
fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(all) => all.iter().map(text).collect(),
        one => [text(one)].into(),
    }
}
