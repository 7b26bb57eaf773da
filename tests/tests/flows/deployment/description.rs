//! The description: derived from the schema, the routers, the programs' own reading of their environment, and the
//! recorded calls.

use super::functions::{Function, Functions, ORCHESTRATOR};
use auth::{Identities, Limits, Program};
use auth_function::SignIn;
use embedded_dynamodb::{Permission, Recording};
use oidc::Network;
use relays::RoleGuard;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use store::{Projection, TABLES, TableSchema};
use utoipa::openapi::OpenApi;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What stands before the names of tables in the variables that name them.
const TABLE: &str = "DYNAMODB_TABLE_";

/// What stands behind the name of a secret in the variable that says where the secret is kept.
const KEPT: &str = "_ARN";

pub(super) fn of(functions: &Functions) -> Value {
    let tables: Map<_, _> = TABLES.iter().map(table).collect();
    let (_, documents) = functions.serve(Limits::default());
    // In the order of the functions; those that are not called over HTTP are the last, and have none.
    let documents = documents.iter().map(Some).chain([None, None]);
    let described: Map<_, _> = functions
        .all
        .iter()
        .zip(documents)
        .map(|(function, document)| {
            let entry = function_entry(function, document);
            (function.name.to_owned(), entry)
        })
        .collect();
    json!({ "tables": tables, "functions": described })
}

fn function_entry(function: &Function, document: Option<&OpenApi>) -> Value {
    let package = match function.name {
        "auth" => "auth-function",
        name => name,
    };
    let mut entry = entry(function.name, package, &asked(function.name));
    entry["trigger"] = json!(if document.is_some() {
        "http"
    } else {
        "schedule"
    });
    entry["routes"] = json!(document.map(routes_of).unwrap_or_default());
    entry["permissions"] = permissions(&function.recording);
    entry["grants"] = grants(function.name);
    let tables = entry["permissions"].as_array().unwrap().iter();
    let called: BTreeSet<_> = tables.map(|on| on["table"].to_string()).collect();
    let named = entry["tables"].as_array().unwrap().iter();
    let named: BTreeSet<_> = named.map(ToString::to_string).collect();
    assert_eq!(
        named, called,
        "{}: the tables whose names it reads, and those that it calls",
        function.name
    );
    entry
}

/// What a role allows besides calls to DynamoDB, its secrets and its log. What a customer's role allows, the customer decides;
/// we assume none that is not called as theirs for us are. A token for another cloud is for one relay alone, whose ExternalId
/// is its audience.
fn grants(name: &str) -> Value {
    let roles = json!({
        "actions": ["sts:AssumeRole"], "resource": "arn:aws:iam::*:role/hybrid-ci*", "condition": null,
    });
    let tokens = json!({
        "actions": ["sts:GetWebIdentityToken"], "resource": "*", "condition": {
            "ForAllValues:StringLike": { "sts:IdentityTokenAudience": "hcp-*" },
            "NumericLessThanEquals": { "sts:DurationSeconds": 300 },
        },
    });
    match name {
        "relays" => json!([roles]),
        ORCHESTRATOR => json!([roles, tokens]),
        _ => json!([]),
    }
}

fn table(table: &TableSchema) -> (String, Value) {
    let mut attributes = BTreeMap::from([("pk", "S"), ("sk", "S")]);
    let mut indexes = Map::new();
    for index in table.indexes {
        attributes.insert(index.partition_key, "S");
        attributes.insert(index.sort_key, "S");
        let mut entry = json!({ "partition_key": index.partition_key, "sort_key": index.sort_key });
        let (projection, included): (_, &[&str]) = match index.projection {
            Projection::KeysOnly => ("KEYS_ONLY", &[]),
            Projection::Include(included) => ("INCLUDE", included),
        };
        entry["projection"] = json!(projection);
        entry["non_key_attributes"] = json!(included);
        indexes.insert(index.name.to_owned(), entry);
    }
    let entry = json!({
        "variable": table.variable,
        "partition_key": "pk",
        "sort_key": "sk",
        "ttl_attribute": table.ttl_attribute,
        "attributes": attributes,
        "indexes": indexes,
    });
    (table.default_name.to_owned(), entry)
}

/// The routes of all functions.
pub(super) fn routes(functions: &Functions) -> BTreeSet<String> {
    let (_, documents) = functions.serve(Limits::default());
    documents.iter().flat_map(routes_of).collect()
}

fn routes_of(document: &OpenApi) -> BTreeSet<String> {
    let document = serde_json::to_value(document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            METHODS
                .iter()
                .filter(|method| item.get(**method).is_some())
                .map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect()
}

/// What a program asked for in an environment that has nothing.
struct Asked {
    /// Every variable.
    names: BTreeSet<String>,
    /// Those that it said are missing.
    missing: BTreeSet<String>,
}

fn asked(name: &str) -> Asked {
    let names = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        names.borrow_mut().insert(name.to_owned());
        None
    };
    let of_all = |program: &Program| auth::lambda::faults(program, &lookup);
    let faults = match name {
        "queue" => of_all(&queue::PROGRAM),
        "dashboard" => of_all(&dashboard::PROGRAM),
        "agents" => {
            assert!(Identities::read(&lookup).is_ok());
            of_all(&agents::PROGRAM)
        }
        "relays" => {
            let of_roles = RoleGuard::read(&lookup).unwrap_err();
            [of_all(&relays::PROGRAM), of_roles].concat()
        }
        "auth" => {
            // One of two providers is needed, either of them.
            assert!(SignIn::read(&Network::public(), &lookup).is_err());
            of_all(&auth_function::PROGRAM)
        }
        ORCHESTRATOR => orchestrator::settings(&lookup).unwrap_err(),
        _ => maintenance::settings(&lookup).unwrap_err(),
    };
    let missing = faults
        .iter()
        .filter_map(|fault| fault.strip_suffix(" is missing"))
        .map(str::to_owned)
        .collect();
    Asked {
        names: names.into_inner(),
        missing,
    }
}

/// What is the same for every kind of function.
fn entry(binary: &str, package: &str, asked: &Asked) -> Value {
    let table_of = |name: &str| {
        let table = TABLES.iter().find(|table| table.variable == name);
        table.map(|table| table.default_name)
    };
    let is_secret = |name: &str| name.ends_with(KEPT);
    // A secret itself never stands in the environment of a deployed function: it says where the secret is kept.
    let is_plain_secret = |name: &str| asked.names.contains(&format!("{name}{KEPT}"));
    let is_plain = |name: &str| {
        !name.starts_with(TABLE)
            && !name.starts_with("AWS_")
            && !is_secret(name)
            && !is_plain_secret(name)
    };
    let (required, optional): (Vec<_>, Vec<_>) = asked
        .names
        .iter()
        .filter(|name| is_plain(name))
        .partition(|name| asked.missing.contains(*name));
    let secrets: Vec<_> = asked.names.iter().filter(|name| is_secret(name)).collect();
    let tables: BTreeSet<_> = asked
        .names
        .iter()
        .filter_map(|name| table_of(name))
        .collect();
    json!({
        "package": package,
        "binary": binary,
        "routes": [],
        "tables": tables,
        "environment": { "required": required, "optional": optional },
        "secrets": secrets,
    })
}

/// The actions on each table and each index.
fn permissions(recording: &Recording) -> Value {
    let mut by_resource = BTreeMap::<_, BTreeSet<String>>::new();
    for Permission {
        table,
        index,
        action,
        ..
    } in recording.permissions()
    {
        let known = TABLES.iter().find(|known| known.default_name == table);
        let known = known.unwrap_or_else(|| panic!("{action} on no table: {table:?}"));
        let is_there = |name: &String| known.indexes.iter().any(|there| there.name == name);
        assert!(index.iter().all(is_there), "{table} has no {index:?}");
        by_resource
            .entry((table, index))
            .or_default()
            .insert(action);
    }
    by_resource
        .into_iter()
        .map(|((table, index), actions)| json!({ "table": table, "index": index, "actions": actions }))
        .collect()
}
