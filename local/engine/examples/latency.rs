//! Measures what a call costs: `cargo run --release -p embedded-dynamodb --example latency [DIRECTORY]`.
//!
//! Prints the median and the 99th percentile in microseconds of each operation on a table with four KEYS_ONLY indexes
//! and items of about 700 bytes, in memory and in a file below DIRECTORY (the system's temporary one by default), with
//! one and with eight clients at once.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use embedded_dynamodb::Engine;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const TABLE: &str = "jobs";
const INDEXES: [&str; 4] = ["ready", "deadline", "list", "state"];
const CALLS: usize = 4_000;

#[tokio::main]
async fn main() -> Outcome<()> {
    let directory = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, Into::into);
    println!(
        "{:<8} {:>7} {:<12} {:>8} {:>8} {:>9}",
        "where", "clients", "operation", "p50 us", "p99 us", "calls/s"
    );
    for clients in [1, 8] {
        measure("memory", &Engine::memory()?, clients).await?;
        let home = tempfile::tempdir_in(&directory)?;
        measure(
            "disk",
            &Engine::open(home.path().join("latency.db"))?,
            clients,
        )
        .await?;
    }
    Ok(())
}

async fn measure(place: &str, engine: &Engine, clients: usize) -> Outcome<()> {
    let client = engine.client();
    create_table(&client).await?;
    for operation in [
        Operation::Put,
        Operation::Get,
        Operation::Claim,
        Operation::LostRace,
        Operation::Query,
    ] {
        let started = Instant::now();
        let mut tasks = Vec::new();
        for worker in 0..clients {
            let client = client.clone();
            tasks.push(tokio::spawn(async move {
                let mut times = Vec::new();
                for number in (worker..CALLS).step_by(clients) {
                    let call = Instant::now();
                    operation.run(&client, number).await?;
                    times.push(call.elapsed());
                }
                Outcome::Ok(times)
            }));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        report(place, clients, operation, times, started.elapsed());
    }
    Ok(())
}

fn report(
    place: &str,
    clients: usize,
    operation: Operation,
    mut times: Vec<Duration>,
    all: Duration,
) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
    let rate = u128::try_from(times.len()).unwrap_or_default() * 1_000_000 / all.as_micros().max(1);
    let operation = format!("{operation:?}");
    println!(
        "{place:<8} {clients:>7} {operation:<12} {:>8} {:>8} {rate:>9}",
        at(50),
        at(99)
    );
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Put,
    Get,
    Claim,
    LostRace,
    Query,
}

impl Operation {
    async fn run(self, client: &Client, number: usize) -> Outcome<()> {
        let text = |value: String| AttributeValue::S(value);
        let key = format!("T#acme#J#{number:08}");
        match self {
            Self::Put => {
                let put = client
                    .put_item()
                    .table_name(TABLE)
                    .condition_expression("attribute_not_exists(pk)");
                put.set_item(Some(item(number))).send().await?;
            }
            Self::Get => {
                let get = client
                    .get_item()
                    .table_name(TABLE)
                    .key("pk", text(key))
                    .key("sk", text("J".into()));
                assert!(get.consistent_read(true).send().await?.item.is_some());
            }
            Self::Claim | Self::LostRace => {
                let update = client
                    .update_item()
                    .table_name(TABLE)
                    .key("pk", text(key))
                    .key("sk", text("J".into()))
                    .condition_expression("#status = :queued AND rsk = :seen")
                    .update_expression(
                        "SET #status = :claimed, attempt = attempt + :one, agent_id = :agent, dpk = :dpk, dsk = :dsk, \
                         spk = :spk, ssk = :ssk REMOVE rpk, rsk",
                    )
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":queued", text("QUEUED".into()))
                    .expression_attribute_values(":seen", text(format!("1#1700000000000#{number:08}")))
                    .expression_attribute_values(":claimed", text("CLAIMED".into()))
                    .expression_attribute_values(":one", AttributeValue::N("1".into()))
                    .expression_attribute_values(":agent", text("agent-0123456789".into()))
                    .expression_attribute_values(":dpk", text("L#0".into()))
                    .expression_attribute_values(":dsk", text(format!("1700000030000#acme#{number:08}")))
                    .expression_attribute_values(":spk", text("T#acme#S#LIVE".into()))
                    .expression_attribute_values(":ssk", text(format!("agent-0123456789#1700000000000#{number:08}")))
                    .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
                    .return_values_on_condition_check_failure(
                        aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
                    );
                match update.send().await {
                    Ok(_) => assert!(matches!(self, Self::Claim)),
                    Err(error) => assert!(matches!(self, Self::LostRace), "{error:?}"),
                }
            }
            Self::Query => {
                let query = client
                    .query()
                    .table_name(TABLE)
                    .index_name("list")
                    .key_condition_expression("lpk = :partition")
                    .expression_attribute_values(":partition", text("T#acme#C".into()))
                    .scan_index_forward(false)
                    .limit(10);
                assert_eq!(query.send().await?.count, 10);
            }
        }
        Ok(())
    }
}

fn item(number: usize) -> std::collections::HashMap<String, AttributeValue> {
    let texts = [
        ("pk", format!("T#acme#J#{number:08}")),
        ("sk", "J".to_owned()),
        ("rpk", "T#acme#P#default#R#0".to_owned()),
        ("rsk", format!("1#1700000000000#{number:08}")),
        ("lpk", "T#acme#C".to_owned()),
        ("lsk", format!("1700000000000#{number:08}")),
        ("status", "QUEUED".to_owned()),
        ("payload", "x".repeat(400)),
    ];
    let texts = texts.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
    let numbers = [
        "attempt",
        "revision",
        "failures",
        "losses",
        "queued_at",
        "created_at",
    ]
    .map(|name| (name.to_owned(), AttributeValue::N("1700000000".to_owned())));
    texts.into_iter().chain(numbers).collect()
}

async fn create_table(client: &Client) -> Outcome<()> {
    let mut attributes = vec!["pk".to_owned(), "sk".to_owned()];
    let mut create = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest);
    create = create.set_key_schema(Some(schema("pk", "sk")?));
    for index in INDEXES {
        let (partition, sort) = (format!("{}pk", &index[..1]), format!("{}sk", &index[..1]));
        let projection = Projection::builder()
            .projection_type(ProjectionType::KeysOnly)
            .build();
        create = create.global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(index)
                .set_key_schema(Some(schema(&partition, &sort)?))
                .projection(projection)
                .build()?,
        );
        attributes.extend([partition, sort]);
    }
    for name in attributes {
        create = create.attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()?,
        );
    }
    create.send().await?;
    Ok(())
}

fn schema(partition: &str, sort: &str) -> Outcome<Vec<KeySchemaElement>> {
    let element = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
    };
    Ok(vec![
        element(partition, KeyType::Hash)?,
        element(sort, KeyType::Range)?,
    ])
}
