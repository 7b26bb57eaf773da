//! The functions of a template, compared with those of the plane.

use super::alarms::Names;
use super::described::{self, Function};
use super::differences::differences;
use super::stack::Stack;
use crate::deployment::terraform;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A stack that is compared, and what it was made with.
pub(super) struct Compared<'a> {
    pub(super) stack: &'a Stack,
    pub(super) names: &'a Names<'a>,
    /// The KMS key of one's own; empty for none.
    pub(super) key: &'a str,
    /// Variables that there are none of, because what they are for is off.
    pub(super) off: &'a [&'a str],
}

impl Compared<'_> {
    /// How the functions are otherwise than the plane's.
    pub(super) fn faults(&self, plane: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let (mut expected, mut there) = (Map::new(), Map::new());
        let found = described::functions(self.stack, self.names.prefix);
        for (name, described) in plane["functions"].as_object().unwrap() {
            let function = found.get(name);
            let variables = function.map(|it| self.environment(name, (described, it)));
            faults.extend(variables.unwrap_or_default());
            let wanted = self.function(name, (described, function), &plane["tables"]);
            expected.insert(name.clone(), wanted);
        }
        for (name, function) in found {
            there.insert(name, function.described);
        }
        faults.extend(differences(&Value::Object(expected), &Value::Object(there)));
        faults
    }

    /// A function as it is to be.
    fn function(
        &self,
        name: &str,
        (described, found): (&Value, Option<&Function>),
        tables: &Value,
    ) -> Value {
        let used = described["tables"].as_array().unwrap().iter();
        let variables = used.map(|table| {
            let variable = &tables[table.as_str().unwrap()]["variable"];
            (variable.as_str().unwrap().to_owned(), table.clone())
        });
        let secrets = described["secrets"].as_array().unwrap().iter();
        let secrets: Vec<_> = secrets
            .filter(|variable| !self.off.contains(&variable.as_str().unwrap()))
            .collect();
        let is_scheduled = described["trigger"] == "schedule";
        let prefix = self.names.prefix;
        json!({
            "binary": described["binary"],
            "trigger": described["trigger"],
            "schedules": if is_scheduled { &["rate(1 minute)"][..] } else { &[] },
            "size": terraform::size(described["trigger"].as_str().unwrap()),
            "routes": described["routes"],
            "tables": Value::Object(variables.collect()),
            "secrets": secrets,
            "permissions": permissions(described),
            "other_permissions": found.map(|found| self.other_permissions(described, found)),
            "other_policies": [null, null],
            "assumed_by": [{
                "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole"
            }],
            "roll_back": self.roll_back(name, is_scheduled),
            "log_group": format!("/aws/lambda/{prefix}-{name}"),
        })
    }

    /// What is wrong with the variables that are neither of tables nor of secrets.
    fn environment(&self, name: &str, (described, found): (&Value, &Function)) -> Vec<String> {
        let mut faults = Vec::new();
        let list = |kind: &str| described["environment"][kind].as_array().unwrap();
        let set = &found.environment;
        for variable in list("required") {
            let value = set.get(variable.as_str().unwrap());
            if value.is_none_or(String::is_empty) {
                faults.push(format!("/{name}: {variable} is not set"));
            }
        }
        for (variable, value) in set {
            let is_read = |kind| list(kind).contains(&json!(variable));
            if !is_read("required") && !is_read("optional") {
                faults.push(format!("/{name}: {variable:?} is not read"));
            }
            if variable == "ENVIRONMENT" && value != self.names.environment {
                faults.push(format!("/{name}: {variable:?} is {value}"));
            }
        }
        faults
    }

    /// What a role is to allow besides what tables take.
    fn other_permissions(&self, described: &Value, found: &Function) -> BTreeSet<String> {
        let logs = &found.log_group;
        let mut others = BTreeSet::from([
            format!("logs:CreateLogStream on {logs}"),
            format!("logs:PutLogEvents on {logs}"),
        ]);
        let secrets = found.secrets.values();
        others.extend(secrets.map(|secret| format!("secretsmanager:GetSecretValue on {secret}")));
        for grant in described["grants"].as_array().unwrap() {
            let resource = grant["resource"].as_str().unwrap();
            let actions = grant["actions"].as_array().unwrap().iter();
            let actions = actions.map(|action| action.as_str().unwrap());
            others.extend(actions.map(|action| format!("{action} on {resource}")));
        }
        let queue = found.dead_letters.iter();
        others.extend(queue.map(|queue| format!("sqs:SendMessage on {queue}")));
        if !self.key.is_empty() {
            others.insert(format!("kms:Decrypt on {}", self.key));
        }
        others
    }

    /// The alarms that are to take a new version back.
    fn roll_back(&self, name: &str, is_scheduled: bool) -> Vec<String> {
        let mut alarms = vec![format!("{name}-errors"), format!("{name}-duration")];
        if !is_scheduled {
            alarms.push("api-5xx".to_owned());
        }
        let full = |alarm| format!("{}-{alarm}", self.names.prefix);
        alarms.iter().map(full).collect()
    }
}

/// The actions on each table and index, by `jobs` or `jobs/index/ready`.
fn permissions(described: &Value) -> Value {
    let all = described["permissions"].as_array().unwrap().iter();
    let all = all.map(|permission| {
        let table = permission["table"].as_str().unwrap();
        let on = match permission["index"].as_str() {
            Some(index) => format!("{table}/index/{index}"),
            None => table.to_owned(),
        };
        (on, permission["actions"].clone())
    });
    Value::Object(all.collect())
}
