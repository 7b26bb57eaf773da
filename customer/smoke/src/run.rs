//! The whole run: look, work, and clean up whatever happened.

use crate::clean_up::{clean_up, clean_up_abandoned};
use crate::client::Client;
use crate::options::Options;
use crate::pool;
use crate::report::Report;
use crate::steps::{Steps, Stopped};
use crate::story::{self, World};
use std::ffi::OsString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

/// How long cleaning up may take, whatever is left of the time for the rest: an agent's job is given back within 30 s.
const CLEAN_UP_WITHIN: Duration = Duration::from_mins(1);

/// Runs everything. Whether all of it holds.
///
/// # Errors
/// What is wrong with the configuration.
pub(crate) async fn run(options: &Options, token: Option<OsString>) -> Result<bool, String> {
    let url = options.checked_url()?;
    let token = options.token(token)?;
    let now = now_millis();
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|error| format!("no random numbers: {error}"))?;
    let world = World {
        client: Client::new(&url)?,
        token,
        pool: pool::name(now, random)?,
        expect_version: options.expect_version.clone(),
        limit: options.step_timeout(),
    };
    let mut report = Report::new(options.format, url.as_str(), world.pool.as_str());
    report.hide(&world.token);
    let mut steps = Steps::new(&world.client, &mut report);
    run_steps(&world, &mut steps, options.timeout(), now).await?;
    report.finish();
    Ok(report.is_ok())
}

async fn run_steps(
    world: &World,
    steps: &mut Steps<'_>,
    timeout: Duration,
    now_millis: u64,
) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen to signals: {error}"));
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    let mut has_begun = false;
    let story = async {
        story::look(world, steps).await?;
        has_begun = true;
        story::work(world, steps).await
    };
    let broken_off = tokio::select! {
        ended = story => { let _: Result<(), Stopped> = ended; None }
        () = tokio::time::sleep(timeout) => {
            Some(format!("all steps together took longer than {} s", timeout.as_secs()))
        }
        _ = interrupt.recv() => Some("interrupted".to_owned()),
        _ = terminate.recv() => Some("asked to end".to_owned()),
    };
    if let Some(why) = &broken_off {
        steps.break_off(why);
    }
    if has_begun {
        let cleaned = steps
            .run("clean up", CLEAN_UP_WITHIN, clean_up(world, &world.pool))
            .await;
        if cleaned.is_ok() && broken_off.is_none() {
            // What another run left behind is no reason to roll a release back.
            let abandoned = async {
                let cleaned = clean_up_abandoned(world, now_millis).await;
                cleaned.or_else(|error| Ok(((), format!("could not be removed: {error}"))))
            };
            let _: Result<(), Stopped> = steps.run("leftovers", CLEAN_UP_WITHIN, abandoned).await;
        }
    }
    Ok(())
}

fn now_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
