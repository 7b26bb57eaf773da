//! What CloudFormation makes of a template and its parameters: resources with their values, as far as they are known before
//! anything is created. What is not, such as an ARN, stays as its reference: `${JobsTable.Arn}`.

use serde_json::{Map, Value, json};

/// A template with parameters.
pub(super) struct Stack {
    /// By logical id.
    pub(super) resources: Map<String, Value>,
}

/// Properties by which a resource goes when it is referred to, of those that have a name.
const NAMES: [(&str, &str); 2] = [
    ("AWS::DynamoDB::Table", "TableName"),
    ("AWS::Serverless::Function", "FunctionName"),
];

const FUNCTION: &str = "AWS::Serverless::Function";

impl Stack {
    /// The resources that there are with these parameters; the others have their defaults.
    pub(super) fn of(template: &Value, parameters: &[(&str, &str)]) -> Self {
        let resolver = Resolver {
            template,
            parameters,
        };
        let mut resources = Map::new();
        for (id, resource) in template["Resources"].as_object().unwrap() {
            let condition = resource.get("Condition").and_then(Value::as_str);
            if condition.is_some_and(|name| !resolver.condition(name)) {
                continue;
            }
            let mut resource = resolver.resolved(resource).unwrap();
            if resource["Type"] == FUNCTION {
                let globals = resolver.resolved(&template["Globals"]["Function"]);
                let own = resource["Properties"].take();
                resource["Properties"] = merged(globals.unwrap_or_default(), own);
            }
            resources.insert(id.clone(), resource);
        }
        Self { resources }
    }

    /// The resources of a type, by logical id.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        let of_kind = move |(_, resource): &(&String, &Value)| resource["Type"] == kind;
        self.resources.iter().filter(of_kind)
    }

    /// The properties of the resource that a reference such as `${Api}` or `${Api.Arn}` leads to.
    pub(super) fn behind(&self, reference: &Value) -> &Value {
        let text = reference.as_str().unwrap_or_default();
        let id = text.trim_start_matches("${").trim_end_matches('}');
        let id = id.split('.').next().unwrap_or_default();
        &self.resources.get(id).unwrap_or(&Value::Null)["Properties"]
    }
}

/// What all functions have, and what this one has: maps are merged and lists joined, as SAM does it.
fn merged(all: Value, own: Value) -> Value {
    match (all, own) {
        (Value::Object(mut all), Value::Object(own)) => {
            for (name, value) in own {
                let before = all.remove(&name).unwrap_or_default();
                all.insert(name, merged(before, value));
            }
            Value::Object(all)
        }
        (Value::Array(all), Value::Array(own)) => all.into_iter().chain(own).collect(),
        (_, own) => own,
    }
}

struct Resolver<'a> {
    template: &'a Value,
    parameters: &'a [(&'a str, &'a str)],
}

impl Resolver<'_> {
    /// The value; none where it says that there is to be none.
    fn resolved(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(list) => Some(list.iter().filter_map(|it| self.resolved(it)).collect()),
            Value::Object(map) => match call(map) {
                Some(("Ref", name)) => self.reference(name.as_str()?),
                Some(("Fn::Sub", text)) => Some(self.substituted(text).into()),
                Some(("Fn::GetAtt", what)) => Some(self.attribute(&path(what))),
                Some(("Fn::If", choice)) => {
                    let holds = self.condition(choice[0].as_str()?);
                    self.resolved(&choice[if holds { 1 } else { 2 }])
                }
                Some((name, _)) if name.starts_with("Fn::") => panic!("{name} is not known"),
                Some(_) | None => {
                    let entries = map
                        .iter()
                        .filter_map(|(name, value)| Some((name.clone(), self.resolved(value)?)));
                    Some(Value::Object(entries.collect()))
                }
            },
            plain => Some(plain.clone()),
        }
    }

    fn reference(&self, name: &str) -> Option<Value> {
        if name == "AWS::NoValue" {
            return None;
        }
        if let Some(parameter) = self.template["Parameters"].get(name) {
            let given = self.parameters.iter().find(|(known, _)| *known == name);
            let given = given.map(|(_, value)| json!(value));
            return Some(given.unwrap_or_else(|| parameter["Default"].clone()));
        }
        if let Some(resource) = self.template["Resources"].get(name) {
            let kind = NAMES.iter().find(|(kind, _)| resource["Type"] == *kind);
            if let Some((_, property)) = kind {
                return self.resolved(&resource["Properties"][property]);
            }
        }
        Some(format!("${{{name}}}").into())
    }

    /// An attribute as `${Resource.Attribute}`, unless it is a property that is written down.
    fn attribute(&self, path: &str) -> Value {
        let (id, attribute) = path.split_once('.').unwrap();
        let resource = &self.template["Resources"][id];
        assert!(resource.is_object(), "{path}: there is no {id}");
        let written = resource["Properties"].get(attribute);
        let written = written.and_then(|value| self.resolved(value));
        written.unwrap_or_else(|| format!("${{{path}}}").into())
    }

    fn substituted(&self, text: &Value) -> String {
        let (text, own) = match text {
            Value::Array(both) => (both[0].as_str().unwrap(), both[1].as_object()),
            text => (text.as_str().unwrap(), None),
        };
        let mut parts = text.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            let value = match own.and_then(|own| own.get(name)) {
                Some(own) => self.resolved(own),
                None if name.starts_with('!') => Some(format!("${{{}}}", &name[1..]).into()),
                None if name.contains('.') => Some(self.attribute(name)),
                None => self.reference(name),
            };
            match value.unwrap_or_default() {
                Value::String(text) => result.push_str(&text),
                other => result.push_str(&other.to_string()),
            }
            result.push_str(rest);
        }
        result
    }

    fn condition(&self, name: &str) -> bool {
        self.holds(&self.template["Conditions"][name])
    }

    fn holds(&self, condition: &Value) -> bool {
        let (name, of) = condition.as_object().and_then(call).unwrap();
        let mut all = of.as_array().into_iter().flatten();
        match name {
            "Condition" => self.condition(of.as_str().unwrap()),
            "Fn::Equals" => self.resolved(&of[0]) == self.resolved(&of[1]),
            "Fn::Not" => !self.holds(&of[0]),
            "Fn::And" => all.all(|part| self.holds(part)),
            "Fn::Or" => all.any(|part| self.holds(part)),
            other => panic!("{other} is no condition"),
        }
    }
}

/// A map of one entry, which may be a function with its arguments.
fn call(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = map.iter();
    let (name, value) = entries.next()?;
    entries.next().is_none().then_some((name.as_str(), value))
}

fn path(of: &Value) -> String {
    match of {
        Value::Array(parts) => {
            let parts: Vec<_> = parts.iter().filter_map(Value::as_str).collect();
            parts.join(".")
        }
        path => path.as_str().unwrap_or_default().to_owned(),
    }
}
