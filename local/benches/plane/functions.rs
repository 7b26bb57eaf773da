//! The functions as binaries: their size, and the time from exec to the first answer against a runtime API in this
//! process, as Lambda would give it.

use crate::report::Report;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Each function, the event that it answers first, and how long it is given. Maintenance ends when less than five seconds
/// are left, so that its first answer is one without a pass.
const FUNCTIONS: [(&str, &str, u64); 5] = [
    ("queue", "queue-enqueue.json", 30_000),
    ("agents", "agents-heartbeat.json", 30_000),
    ("dashboard", "dashboard-health.json", 30_000),
    ("auth", "auth-validate.json", 30_000),
    ("maintenance", "maintenance-scheduled.json", 4_000),
];

/// How often each is started.
const STARTS: usize = 20;

pub(crate) fn measure(report: &mut Report) {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let binaries = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release");
    for (name, event, limit_ms) in FUNCTIONS {
        let binary = binaries.join(name);
        let found = std::fs::metadata(&binary)
            .unwrap_or_else(|_| panic!("{name} is not built: run `cargo xtask bench`"));
        report.memory(&format!("{name}: size of the binary"), found.len());
        let event = std::fs::read_to_string(root.join("events").join(event)).unwrap();
        let samples = (0..STARTS)
            .map(|_| first_answer(&binary, &event, limit_ms))
            .collect();
        report.latency(&format!("{name}: exec to first answer"), samples);
    }
}

fn first_answer(binary: &std::path::Path, event: &str, limit_ms: u64) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .env_clear()
        .env(
            "AWS_LAMBDA_RUNTIME_API",
            listener.local_addr().unwrap().to_string(),
        )
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("ENVIRONMENT", "test")
        .env("DYNAMODB_TABLE_JOBS", "jobs")
        .env("DYNAMODB_TABLE_AGENTS", "agents")
        .env("DYNAMODB_TABLE_DEPLOYMENTS", "deployments")
        .env("DYNAMODB_TABLE_CREDENTIALS", "credentials")
        .env("DYNAMODB_TABLE_PEOPLE", "people")
        .env("DYNAMODB_TABLE_SESSIONS", "sessions")
        .env("DYNAMODB_TABLE_AUDIT", "audit")
        .env("GITHUB_CLIENT_ID", "bench")
        .env("GITHUB_CLIENT_SECRET", "bench")
        .env("PUBLIC_ORIGIN", "https://ci.example.com")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let answered = serve(&listener, event, limit_ms);
    let elapsed = answered.duration_since(begun);
    child.kill().unwrap();
    child.wait().unwrap();
    elapsed
}

/// Gives the event to whoever asks for the next one, and returns when the answer has come.
fn serve(listener: &TcpListener, event: &str, limit_ms: u64) -> Instant {
    loop {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        if let Some(answered) = serve_connection(&stream, event, limit_ms) {
            return answered;
        }
    }
}

fn serve_connection(stream: &TcpStream, event: &str, limit_ms: u64) -> Option<Instant> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap() == 0 {
            return None;
        }
        let mut length = 0;
        let mut chunked = false;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            chunked |= header == "transfer-encoding: chunked";
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        if first.starts_with("GET") && first.contains("/invocation/next") {
            let deadline = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_millis()
                + u128::from(limit_ms);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: 00000000-0000-4000-8000-000000000000\r\n\
                 lambda-runtime-deadline-ms: {deadline}\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n\r\n",
                event.len()
            );
            let mut stream = stream;
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(event.as_bytes()).unwrap();
        } else {
            assert!(
                first.contains("/response"),
                "the function did not answer: {first}"
            );
            assert!(!chunked || length == 0);
            return Some(Instant::now());
        }
    }
}
