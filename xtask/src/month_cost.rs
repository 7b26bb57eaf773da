//! `cargo xtask month-cost`: the capacity and the price of a month, from what was measured, what AWS charges and what is
//! assumed of its use.

mod assumptions;
mod month;
mod prices;
mod units;

use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use crate::project_root;
use crate::table::{number, table};
use assumptions::{DAYS, LOADS};
use month::Month;
use prices::Prices;
use units::{Functions, Units};

/// Prints the report.
///
/// # Errors
///
/// If what was measured or the prices cannot be read.
pub(crate) fn run() -> Result<()> {
    print!("{}", report(&project_root())?);
    Ok(())
}

/// The report, as it stands in `docs/operations.md`.
fn report(root: &Path) -> Result<String> {
    let docs = root.join("docs");
    let units: Units = read_json(&docs.join("units.json"))?;
    let functions: Functions = read_json(&docs.join("bench-lambda.json"))?;
    let path = docs.join("prices.toml");
    let text = read(&path)?;
    let prices: Prices =
        toml::from_str(&text).with_context(|| format!("{} is malformed", path.display()))?;
    let months: Vec<Month> = LOADS
        .iter()
        .map(|load| Month::of(*load, &units, &functions))
        .collect::<Result<_>>()?;
    Ok(format!(
        "{}\n{}\n{}\nAssumed:\n\n{}\nPrices: {}, list prices without free tiers, from `docs/prices.toml`:\n\n{}",
        amounts(&months),
        bills(&months, &prices),
        by_memory(&units, &functions, &prices)?,
        list(assumptions::in_words()),
        prices.region,
        list(
            prices
                .sources()
                .map(|(what, source, as_of)| format!("{what}: <{source}>, as of {as_of}"))
        ),
    ))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_str(&read(path)?).with_context(|| format!("{} is malformed", path.display()))
}

fn list(lines: impl IntoIterator<Item = String>) -> String {
    let points: Vec<String> = lines.into_iter().map(|line| format!("- {line}")).collect();
    points.join("\n") + "\n"
}

fn header(first: &str) -> Vec<String> {
    let loads = LOADS.map(|load| format!("{} jobs a day", number(load.jobs_per_day)));
    std::iter::once(first.to_owned()).chain(loads).collect()
}

/// What is used.
fn amounts(months: &[Month]) -> String {
    type Amount = (&'static str, fn(&Month) -> f64);
    const SECONDS: f64 = DAYS * 86_400.0;
    const ROWS: [Amount; 13] = [
        ("agents", |month| month.agents),
        ("requests, millions", |month| month.requests / 1e6),
        ("of these heartbeats, millions", |month| {
            month.heartbeats / 1e6
        }),
        ("of these polls for jobs, millions", |month| {
            month.polls / 1e6
        }),
        ("requests a second", |month| month.requests / SECONDS),
        ("functions at work at a time", |month| month.at_a_time),
        ("write units, millions", |month| month.write_units / 1e6),
        ("write units a second", |month| month.write_units / SECONDS),
        ("read units, millions", |month| month.read_units / 1e6),
        ("read units a second", |month| month.read_units / SECONDS),
        ("GB-seconds of functions, thousands", |month| {
            month.gb_seconds / 1e3
        }),
        ("GB of logs", |month| month.log_gb),
        ("GB in tables and indexes", |month| month.stored_gb),
    ];
    let rows: Vec<Vec<String>> = ROWS
        .iter()
        .map(|(name, amount)| {
            let amounts = months.iter().map(|month| number(amount(month)));
            std::iter::once((*name).to_owned()).chain(amounts).collect()
        })
        .collect();
    with_header("a month, on average", &rows)
}

/// What it costs.
fn bills(months: &[Month], prices: &Prices) -> String {
    let bills: Vec<_> = months.iter().map(|month| month.bill(prices)).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let names = bills.first().map(|bill| bill.lines).unwrap_or_default();
    for (line, (name, _)) in names.iter().enumerate() {
        let of_line = |bill: &month::Bill| bill.lines.get(line).map_or(0.0, |(_, price)| *price);
        let prices = bills.iter().map(|bill| number(of_line(bill)));
        rows.push(std::iter::once((*name).to_owned()).chain(prices).collect());
    }
    let totals = bills.iter().map(|bill| number(bill.total()));
    rows.push(
        std::iter::once("together".to_owned())
            .chain(totals)
            .collect(),
    );
    let of_a_job = bills.iter().zip(LOADS).map(|(bill, load)| {
        let thousands = load.jobs_per_day * DAYS / 1000.0;
        number(bill.total() / thousands)
    });
    rows.push(
        std::iter::once("for 1,000 jobs".to_owned())
            .chain(of_a_job)
            .collect(),
    );
    with_header("US dollars a month", &rows)
}

/// What the memory of a function does to the call that there is most of.
fn by_memory(units: &Units, functions: &Functions, prices: &Prices) -> Result<String> {
    const CALL: &str = "claim, nothing there";
    let call = units.calls.get(CALL).context("polls were not measured")?;
    let function = functions.functions.get(&call.function);
    let function = function.context("the queue was not measured")?;
    let rows: Vec<Vec<String>> = [128.0, 256.0, 512.0, 1024.0, assumptions::WHOLE_PROCESSOR_MB]
        .iter()
        .map(|&memory| {
            let slower = assumptions::WHOLE_PROCESSOR_MB / memory;
            let took = call.dynamodb_calls * assumptions::DYNAMODB_MS
                + function.warm_processor_ms * slower;
            let gb_seconds = took.ceil() * memory / 1024.0 * 1000.0;
            vec![
                format!("{memory} MB"),
                format!("{:.0} %", 100.0 / slower),
                number(function.first_dynamodb_answer_processor_ms * slower),
                number(took),
                number(prices.lambda.gb_seconds.cost(gb_seconds)),
            ]
        })
        .collect();
    Ok(table(
        &[
            "memory of `queue`",
            "of a processor",
            "work of a start, ms",
            "a poll, ms",
            "a million polls, US dollars",
        ],
        &rows,
    ))
}

fn with_header(first: &str, rows: &[Vec<String>]) -> String {
    let header = header(first);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    table(&header, rows)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::document::expect_part;

    #[test]
    fn the_documentation_has_the_price_of_a_month() {
        let root = project_root();
        let report = report(&root).unwrap();
        let document = root.join("docs").join("operations.md");
        expect_part(&document, "cargo xtask month-cost", &report);
    }
}
