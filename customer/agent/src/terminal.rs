//! What the agent prints: a line for each event, and the end of a failed job's log.

use hybrid_agent::Event;
use std::io::Write;
use std::time::SystemTime;
use wire::Timestamp;

/// Prints an event.
pub(crate) fn show(event: &Event) {
    if let Some(line) = event.describe() {
        print(&line);
    }
    if let Event::JobEnded {
        cause: Some(_),
        tail,
        ..
    } = event
    {
        for line in tail {
            print(&format!("  | {}", harmless(line)));
        }
    }
}

/// Prints why the agent ends.
pub(crate) fn error(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "hybrid-agent: {message}");
}

fn print(line: &str) {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    // Nobody reads any more? The jobs go on.
    let _ = writeln!(std::io::stdout().lock(), "{now} {line}");
}

/// A log's line that cannot control the terminal.
fn harmless(line: &str) -> String {
    line.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
