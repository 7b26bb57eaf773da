//! `hybrid-relay`: serve, enrol, change the key, check tool files.

use crate::clock::Clock;
use crate::enrol::{enrol, rotate_key};
use crate::heartbeat::keep_beating;
use crate::journal::Journal;
use crate::plane::{Plane, Stamp};
use crate::settings::Settings;
use crate::start::start;
use crate::tool::Tools;
use crate::webhook::router;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Receives webhooks in the customer's account and puts their metadata on the customer's own queue.
#[derive(Debug, Parser)]
#[command(name = "hybrid-relay", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves webhooks over HTTP. TLS is the business of what stands before it.
    Serve {
        /// A TOML file; the variables HYBRID_RELAY_… take the place of what it says.
        #[arg(long, env = "HYBRID_RELAY_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Makes a key pair, brings the public key to the control plane, and writes the relay's identity to a file.
    Enrol {
        /// The control plane's address.
        #[arg(long, env = "HYBRID_RELAY_URL")]
        url: String,
        /// A file with the token that registering the relay showed.
        #[arg(long)]
        token_file: PathBuf,
        /// The file to write. Put it into your vault, or leave it where the relay can read it.
        #[arg(long, default_value = "identity.json")]
        identity_file: PathBuf,
        /// Allows http:// to another machine.
        #[arg(long)]
        insecure_http: bool,
    },
    /// Makes a new key pair and brings its public key to the control plane, signed with the old key.
    RotateKey {
        /// The control plane's address.
        #[arg(long, env = "HYBRID_RELAY_URL")]
        url: String,
        /// The file with the identity; it is written anew.
        #[arg(long, default_value = "identity.json")]
        identity_file: PathBuf,
        /// Allows http:// to another machine.
        #[arg(long)]
        insecure_http: bool,
    },
    /// Says what is wrong with the tool files of a directory, with file, line and field.
    CheckTools {
        /// The directory.
        directory: PathBuf,
    },
}

/// Does what the command line says.
///
/// # Errors
/// Why it could not be done, for the terminal.
pub async fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve { config } => serve(config.as_deref()).await,
        Command::Enrol {
            url,
            token_file,
            identity_file,
            insecure_http,
        } => {
            let plane = Plane::new(&url, insecure_http).map_err(anyhow::Error::msg)?;
            let token: secrecy::SecretString = read(&token_file)?.into();
            let answer = enrol(&plane, &token, &identity_file).await?;
            say(&format!(
                "relay {} has key {} until {}; its identity is in {}",
                answer.relay_id,
                answer.key_id,
                answer.expires_at,
                identity_file.display()
            ));
            Ok(())
        }
        Command::RotateKey {
            url,
            identity_file,
            insecure_http,
        } => {
            let plane = Plane::new(&url, insecure_http).map_err(anyhow::Error::msg)?;
            let mut nonce = [0; 16];
            getrandom::fill(&mut nonce).map_err(|error| anyhow::anyhow!("{error}"))?;
            let at = Clock::system().now();
            let answer = rotate_key(&plane, &identity_file, &Stamp { at, nonce }).await?;
            let (relay, key) = (answer.relay_id, answer.key_id);
            say(&format!(
                "relay {relay} has key {key} until {}",
                answer.expires_at
            ));
            Ok(())
        }
        Command::CheckTools { directory } => {
            let tools = Tools::load(Some(&directory))?;
            let names: Vec<_> = tools.names().map(ToString::to_string).collect();
            say(&format!("good; the tools are {}", names.join(", ")));
            Ok(())
        }
    }
}

async fn serve(config: Option<&Path>) -> anyhow::Result<()> {
    let file = config.map(read).transpose()?;
    let lookup = |name: &str| std::env::var(name).ok();
    let faults = |faults: Vec<String>| anyhow::anyhow!(faults.join("\n"));
    let settings = Settings::read(&lookup, file.as_deref()).map_err(faults)?;
    let listen = settings.listen;
    let (relay, plane) = start(settings, Journal::stdout()).await.map_err(faults)?;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(|error| anyhow::anyhow!("HYBRID_RELAY_LISTEN: {listen}: {error}"))?;
    let heartbeats = tokio::spawn(keep_beating(relay.clone(), plane));
    axum::serve(listener, router(relay))
        .with_graceful_shutdown(told_to_stop())
        .await?;
    heartbeats.abort();
    Ok(())
}

/// What is being served then is served to its end.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

fn say(line: &str) {
    use std::io::Write;
    // Whoever closed the output wants to know nothing.
    let _ = writeln!(std::io::stdout(), "{line}");
}
