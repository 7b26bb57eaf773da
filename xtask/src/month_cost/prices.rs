//! What AWS charges: `docs/prices.toml`.

use serde::Deserialize;

/// Everything that has a price, in US dollars.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    pub(crate) region: String,
    pub(crate) dynamodb: DynamoDb,
    pub(crate) lambda: Lambda,
    pub(crate) api_gateway: ApiGateway,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) data_transfer: DataTransfer,
    pub(crate) secrets: Secrets,
}

/// On-demand tables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DynamoDb {
    pub(crate) source: String,
    pub(crate) as_of: String,
    pub(crate) write_units_per_million: f64,
    pub(crate) read_units_per_million: f64,
    pub(crate) storage_per_gb_month: f64,
    pub(crate) point_in_time_recovery_per_gb_month: f64,
}

/// Functions on arm64.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lambda {
    pub(crate) source: String,
    pub(crate) as_of: String,
    pub(crate) requests_per_million: f64,
    pub(crate) gb_seconds: Tiers,
}

/// An HTTP API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiGateway {
    pub(crate) source: String,
    pub(crate) as_of: String,
    pub(crate) requests_per_million: Tiers,
}

/// Logs, metrics, alarms.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloudWatch {
    pub(crate) source: String,
    pub(crate) as_of: String,
    pub(crate) log_gb: Tiers,
    pub(crate) log_storage_per_gb_month: f64,
    pub(crate) metrics: Tiers,
    pub(crate) alarm: f64,
    pub(crate) dashboard: f64,
}

/// Answers on their way to the Internet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataTransfer {
    pub(crate) source: String,
    pub(crate) as_of: String,
    pub(crate) out_gb: Tiers,
}

/// Secrets, and the key that they and the tables are encrypted with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    pub(crate) source: String,
    pub(crate) as_of: String,
    pub(crate) secret: f64,
    pub(crate) key: f64,
}

/// A price that changes with the amount.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tiers(Vec<Tier>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    /// The amount up to which the price holds; none for the last.
    up_to: Option<f64>,
    price: f64,
}

impl Tiers {
    /// What that amount costs.
    pub(crate) fn cost(&self, amount: f64) -> f64 {
        let mut from = 0.0;
        let mut cost = 0.0;
        for tier in &self.0 {
            let to = tier.up_to.unwrap_or(f64::INFINITY).min(amount);
            if to > from {
                cost += (to - from) * tier.price;
                from = to;
            }
        }
        cost
    }
}

impl Prices {
    /// Where each price is from, and of when.
    pub(crate) fn sources(&self) -> [(&'static str, &str, &str); 6] {
        [
            ("DynamoDB", &self.dynamodb.source, &self.dynamodb.as_of),
            ("Lambda", &self.lambda.source, &self.lambda.as_of),
            (
                "API Gateway",
                &self.api_gateway.source,
                &self.api_gateway.as_of,
            ),
            (
                "CloudWatch",
                &self.cloudwatch.source,
                &self.cloudwatch.as_of,
            ),
            (
                "data transfer",
                &self.data_transfer.source,
                &self.data_transfer.as_of,
            ),
            ("secrets", &self.secrets.source, &self.secrets.as_of),
        ]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn each_part_of_an_amount_has_the_price_of_its_tier() {
        let tiers: Tiers = serde_json::from_str(
            r#"[{"up_to": 10, "price": 2}, {"up_to": 30, "price": 1}, {"price": 0.5}]"#,
        )
        .unwrap();
        for (amount, cost) in [(0.0, 0.0), (5.0, 10.0), (20.0, 30.0), (40.0, 45.0)] {
            assert!((tiers.cost(amount) - cost).abs() < 1e-9, "{amount}");
        }
    }
}
