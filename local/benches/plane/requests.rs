//! The bodies of the requests that are measured.

use serde_json::{Value, json};

pub(crate) fn register() -> Value {
    json!({ "pool_name": "default", "version": "1.0.0", "hostname": "bench", "os": "linux", "arch": "x86_64" })
}

pub(crate) fn heartbeat() -> Value {
    json!({ "cpu_percent": 10.0, "memory_percent": 20.0, "disk_percent": 30.0, "uptime_seconds": 60, "jobs": [] })
}

pub(crate) fn enqueue() -> Value {
    json!({
        "job_type": "build",
        "pool_name": "default",
        "git_repo": "https://github.com/example/shop.git",
        "git_ref": "refs/heads/main",
        "git_commit_sha": "5f2a0c1e9b8d7f6a5e4d3c2b1a09f8e7d6c5b4a3",
        "git_author": "dev@example.com",
        "tags": { "team": "checkout" },
    })
}

pub(crate) fn complete() -> Value {
    json!({ "attempt": 1, "exit_code": 0, "duration_seconds": 1.5 })
}
