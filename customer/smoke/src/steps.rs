//! One step after the other: each with a limit of time, each reported.

use crate::client::Client;
use crate::report::Report;
use secrecy::SecretString;
use std::time::{Duration, Instant};

/// What a step found and a line about it; or what is wrong.
pub(crate) type Found<T> = Result<(T, String), String>;

/// A step failed and was reported; what follows would make no sense.
#[derive(Debug)]
pub(crate) struct Stopped;

/// Runs steps.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    client: &'a Client,
    report: &'a mut Report,
    current: Option<(&'static str, Instant)>,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(client: &'a Client, report: &'a mut Report) -> Self {
        Self {
            client,
            report,
            current: None,
        }
    }

    /// Runs a step, which has that long.
    pub(crate) async fn run<T>(
        &mut self,
        name: &'static str,
        limit: Duration,
        work: impl Future<Output = Found<T>>,
    ) -> Result<T, Stopped> {
        let begun = Instant::now();
        self.current = Some((name, begun));
        self.client.take_note();
        let found = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let late = format!("took longer than {} s", limit.as_secs());
            Err(self
                .client
                .take_note()
                .map_or(late.clone(), |note| format!("{late}; the last was: {note}")))
        });
        self.current = None;
        let (found, outcome) = match found {
            Ok((found, detail)) => (Ok(found), Ok(detail)),
            Err(error) => (Err(Stopped), Err(error)),
        };
        self.report.add(name, begun.elapsed(), outcome);
        found
    }

    /// Reports that the step under way was broken off.
    pub(crate) fn break_off(&mut self, why: &str) {
        if let Some((name, begun)) = self.current.take() {
            self.report.add(name, begun.elapsed(), Err(why.to_owned()));
        }
    }

    /// From now on this is not shown.
    pub(crate) fn hide(&mut self, secret: &SecretString) {
        self.report.hide(secret);
    }
}
