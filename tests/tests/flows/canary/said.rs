//! What a request says, in its headers and in its body, is for whoever serves it: no log line, metric or trace repeats it,
//! whether the request is answered well, refused, or brings its handler down.

use super::plane::{HAS_A_BUG, PANICS, UNWRAPS};
use super::provider::random;
use super::search::{Canary, Search};
use super::stage::{Found, Headers, NOTHING, Stage, bearer};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use web::Entropy;

/// Headers that browsers, tools and proxies send, or that somebody tries. Each is given a secret of its own.
pub(super) const HEADERS: [&str; 37] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "api-key",
    "b3",
    "baggage",
    "cache-control",
    "cf-connecting-ip",
    "cookie",
    "dnt",
    "forwarded",
    "from",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "origin",
    "pragma",
    "proxy-authorization",
    "range",
    "referer",
    "sec-fetch-site",
    "sec-websocket-protocol",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "user-agent",
    "via",
    "x-amz-date",
    "x-amz-security-token",
    "x-amzn-trace-id",
    "x-api-key",
    "x-csrf-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-http-method-override",
    "x-real-ip",
    "x-what-nobody-knows",
];

/// A word that fits wherever text is taken, and that nobody says by chance. It is Base64 as well, as it is looked for.
pub(super) fn word() -> String {
    let digits = HEXLOWER.encode(&Entropy::system().bytes::<21>());
    format!("{digits}0")
}

impl Stage {
    /// Headers with a secret each, besides the credential. They are looked for everywhere.
    fn telling(&mut self, credential: &Headers) -> Headers {
        let mut headers = credential.clone();
        for name in HEADERS {
            let secret = random();
            self.canaries
                .push(Canary::new(&format!("the header {name}"), &secret));
            let value = match name {
                "cookie" => format!("theirs={secret}"),
                "traceparent" => format!("00-{secret}-00f067aa0ba902b7-01"),
                "x-amzn-trace-id" => format!("Root=1-5759e988-{secret}"),
                _ => secret,
            };
            headers.push((name, value));
        }
        headers
    }
}

/// A job whose every text is a word that is looked for in logs and traces: tables and answers have it.
fn job(said: &mut Vec<Canary>) -> Value {
    let mut say = |field: &str| {
        let word = word();
        said.push(Canary::new(&format!("the field {field}"), &word));
        word
    };
    json!({
        "job_type": say("job_type"),
        "pool_name": "default",
        "git_repo": format!("https://git.example.com/{}", say("git_repo")),
        "git_ref": say("git_ref"),
        "git_commit_sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "git_author": say("git_author"),
        "tags": { say("the name of a tag"): say("a tag") },
        "spec_ref": format!("s3://{}", say("spec_ref")),
    })
}

#[tokio::test]
async fn what_a_request_says_is_in_no_log_line_metric_or_trace() {
    let mut stage = Stage::start().await;
    stage.sign_in("github").await;
    let ada = bearer(&stage.sign_in_tool("github").await);
    let mut said = Vec::new();
    // Answered well.
    for path in ["/api/queue/jobs", "/api/dashboard/summary", "/health"] {
        let headers = stage.telling(&ada);
        let read = format!("GET {path}");
        stage.expect(200, &read, &headers, &NOTHING).await;
    }
    let enqueue = "POST /api/queue/jobs";
    let headers = stage.telling(&ada);
    let good = job(&mut said);
    stage.expect(201, enqueue, &headers, &good).await;
    // Refused.
    for field in ["priority", "max_attempts", "pool_name", "what nobody knows"] {
        let mut body = job(&mut said);
        let word = word();
        said.push(Canary::new("what is refused", &word));
        let headers = stage.telling(&ada);
        body[field] = json!([{ word: 1 }]);
        stage.expect(400, enqueue, &headers, &body).await;
    }
    let headers = stage.telling(&vec![]);
    let body = job(&mut said);
    stage.expect(401, enqueue, &headers, &body).await;
    // Answered by a handler that falls over.
    for path in [PANICS, UNWRAPS, HAS_A_BUG] {
        let headers = stage.telling(&ada);
        let body = job(&mut said);
        let operation = format!("POST {path}");
        let answered = stage.expect(500, &operation, &headers, &body).await;
        assert_eq!(answered.text("/code"), "internal");
    }

    let Found { leaks, places, .. } = stage.leaks().await;
    assert_eq!(leaks, []);
    let told: Vec<_> = places
        .into_iter()
        .filter(|place| place.name.starts_with("its "))
        .collect();
    assert_eq!(told.len(), 3);
    assert_eq!(Search::new(&said).leaks(&told), []);
    // And something was said of each.
    let log = told.iter().find(|place| place.name == "its log").unwrap();
    let log = String::from_utf8_lossy(&log.bytes);
    for why in [
        "a message that was made at run time, and may quote a request",
        "called `Result::unwrap()` on an `Err` value",
        "a bug of the program's own",
    ] {
        let said: Vec<_> = log.lines().filter(|line| line.contains(why)).collect();
        let [line] = said.as_slice() else {
            panic!("{why}: {said:?}")
        };
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["message"], "panicked", "{line}");
        let place = line["place"].as_str().unwrap();
        assert!(place.contains("canary/plane.rs:"), "{line}");
        assert_eq!(line["request_id"].as_str().unwrap().len(), 32, "{line}");
    }
    assert!(log.contains("\"requests/5xx\":"), "no metrics in the log");
}
