//! `hybrid-agent`: runs the jobs of one pool on this machine.

mod terminal;

use hybrid_agent::{Error, ShutdownHandle, cli, run, shutdown};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let matches = cli::command().get_matches();
    let Some(arguments) = matches.subcommand_matches("run") else {
        return ExitCode::from(2);
    };
    match start(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal::error(&format!("{error:#}"));
            let is_config = matches!(error.downcast_ref(), Some(Error::Config(_)));
            ExitCode::from(if is_config { 2 } else { 1 })
        }
    }
}

fn start(arguments: &clap::ArgMatches) -> anyhow::Result<u8> {
    // Jobs run as the same user: without this they could read the key out of /proc/<agent>/environ. Where it is not
    // allowed the agent works all the same.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
    let config = cli::configuration(arguments, &std::env::vars_os().collect())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let exit = runtime.block_on(async {
        let (handle, shutdown) = shutdown();
        tokio::spawn(obey_signals(
            handle,
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        ));
        anyhow::Ok(run(config, shutdown, terminal::show).await?)
    })?;
    runtime.shutdown_background();
    Ok(exit.code())
}

/// The first signal drains, the second stops.
async fn obey_signals(
    handle: ShutdownHandle,
    mut term: tokio::signal::unix::Signal,
    mut int: tokio::signal::unix::Signal,
) {
    let mut count = 0;
    loop {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        count += 1;
        if count == 1 {
            handle.drain();
        } else {
            handle.stop();
        }
    }
}
