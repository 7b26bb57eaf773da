//! Alarms and the dashboard: as Terraform reads them from files, and as a template has them.

use super::stack::Stack;
use serde_json::{Map, Value, json};

/// What stands in for names that differ from plane to plane.
pub(super) struct Names<'a> {
    pub(super) prefix: &'a str,
    pub(super) environment: &'a str,
    pub(super) topic: &'a str,
}

impl Names<'_> {
    /// A text, or all texts in a value, with the names put in.
    fn put_into(&self, value: &Value, more: &[(&str, &str)]) -> Value {
        let usual = [
            ("prefix", self.prefix),
            ("environment", self.environment),
            ("api_id", "${Api}"),
            ("region", "${AWS::Region}"),
        ];
        match value {
            Value::String(text) => {
                let names = usual.iter().chain(more);
                let put = |text: String, (name, value): &(&str, &str)| {
                    text.replace(&format!("${{{name}}}"), value)
                };
                names.fold(text.clone(), put).into()
            }
            Value::Array(list) => list.iter().map(|it| self.put_into(it, more)).collect(),
            Value::Object(map) => {
                let entry =
                    |(name, value): (&String, &Value)| (name.clone(), self.put_into(value, more));
                Value::Object(map.iter().map(entry).collect())
            }
            other => other.clone(),
        }
    }

    /// The alarms that there are to be, by their names.
    pub(super) fn alarms(&self, kept: &Value, plane: &Value) -> Value {
        let mut alarms = Map::new();
        for (kind, infix, of) in [
            ("function", "", &plane["functions"]),
            ("table", "table-", &plane["tables"]),
        ] {
            for (name, one) in of.as_object().unwrap() {
                for (suffix, alarm) in kept[kind].as_object().unwrap() {
                    let mut alarm = self.put_into(alarm, &[(kind, name)]);
                    // It may be another for each kind of function.
                    if let Some(by_trigger) = alarm["threshold"].as_object() {
                        let trigger = one["trigger"].as_str().unwrap();
                        alarm["threshold"] = by_trigger[trigger].clone();
                    }
                    let full = format!("{}-{infix}{name}-{suffix}", self.prefix);
                    alarms.insert(full, self.with_actions(alarm));
                }
            }
        }
        for (key, alarm) in kept["plane"].as_object().unwrap() {
            let alarm = self.with_actions(self.put_into(alarm, &[]));
            alarms.insert(format!("{}-{key}", self.prefix), alarm);
        }
        Value::Object(alarms)
    }

    fn with_actions(&self, mut alarm: Value) -> Value {
        let topics: &[&str] = if self.topic.is_empty() {
            &[]
        } else {
            &[self.topic]
        };
        for actions in ["alarm_actions", "ok_actions"] {
            alarm[actions] = json!(topics);
        }
        alarm
    }

    /// The dashboard that there is to be, by its name.
    pub(super) fn dashboards(&self, kept: &Value) -> Value {
        json!({ self.prefix: self.put_into(kept, &[]) })
    }
}

/// The alarms of a template, in the words of `terraform/alarms.json`.
pub(super) fn alarms(stack: &Stack) -> Value {
    let alarms = stack.all("AWS::CloudWatch::Alarm").map(|(_, resource)| {
        let alarm = &resource["Properties"];
        let name = alarm["AlarmName"].as_str().unwrap_or_default();
        (name.to_owned(), described(alarm))
    });
    Value::Object(alarms.collect())
}

fn described(alarm: &Value) -> Value {
    let queries = alarm["Metrics"].as_array();
    // One query, whose result is what the alarm looks at.
    let query = queries.map_or(&Value::Null, |queries| match queries.as_slice() {
        [query] if query["ReturnData"] == true && query.get("MetricStat").is_none() => query,
        _ => &alarm["Metrics"],
    });
    let metric = alarm.get("MetricName").map(|name| {
        let dimensions = alarm["Dimensions"].as_array();
        let dimensions: Map<_, _> = dimensions
            .into_iter()
            .flatten()
            .map(|one| {
                let name = one["Name"].as_str().unwrap_or_default();
                (name.to_owned(), one["Value"].clone())
            })
            .collect();
        let statistic = alarm.get("Statistic").or(alarm.get("ExtendedStatistic"));
        json!({
            "namespace": alarm["Namespace"], "name": name, "dimensions": dimensions, "statistic": statistic,
        })
    });
    let period = alarm.get("Period").or(query.get("Period"));
    let actions = |name: &str| alarm.get(name).cloned().unwrap_or_else(|| json!([]));
    json!({
        "description": alarm["AlarmDescription"],
        "comparison": alarm["ComparisonOperator"],
        "threshold": alarm["Threshold"],
        "period_seconds": period,
        "evaluation_periods": alarm["EvaluationPeriods"],
        "datapoints_to_alarm": alarm["DatapointsToAlarm"],
        "missing": alarm["TreatMissingData"],
        "metric": metric,
        "query": query.get("Expression"),
        "alarm_actions": actions("AlarmActions"),
        "ok_actions": actions("OKActions"),
    })
}

/// The dashboards of a template, by their names.
pub(super) fn dashboards(stack: &Stack) -> Value {
    let all = stack
        .all("AWS::CloudWatch::Dashboard")
        .map(|(_, resource)| {
            let dashboard = &resource["Properties"];
            let name = dashboard["DashboardName"].as_str().unwrap_or_default();
            let body = dashboard["DashboardBody"].as_str().unwrap_or_default();
            let body = serde_json::from_str(body);
            (
                name.to_owned(),
                body.unwrap_or_else(|error| json!(error.to_string())),
            )
        });
    Value::Object(all.collect())
}
