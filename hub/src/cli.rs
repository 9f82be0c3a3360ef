//! The command line: `serve`, `check-config`, `push`, `inspect`, `diff`.

#![allow(clippy::print_stdout, clippy::print_stderr)] // the only place that speaks to a terminal

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{config, push, serve};

mod diff;
mod inspect;

/// Registers the Flyte packages that the agents' clusters ask for.
#[derive(Debug, Parser)]
#[command(name = "flyte-registration-hub", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the hub.
    Serve(ConfigFiles),
    /// Reads the configuration, and says what is wrong with it.
    CheckConfig(ConfigFiles),
    /// Pushes a package made by `pyflyte package` to an OCI registry.
    Push(Push),
    /// Shows how a package differs from what is registered. Only reads.
    Diff(diff::Diff),
    /// Shows what a package holds.
    Inspect(inspect::Inspect),
}

#[derive(Debug, Args)]
struct ConfigFiles {
    /// Configuration file. May be repeated: later ones over earlier ones, and the environment
    /// (`FLYTE_HUB_…`) over all.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Push {
    /// The package, a `.tgz` file.
    package: PathBuf,
    /// Where to: `oci://host/repository:tag`.
    reference: String,
    /// User of the registry.
    #[arg(long, requires = "password_file")]
    username: Option<String>,
    /// File with the user's password or access token.
    #[arg(long, requires = "username")]
    password_file: Option<PathBuf>,
    /// PEM file with authorities to trust besides the system's.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Speak HTTP without TLS.
    #[arg(long)]
    plain_http: bool,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // One provider for the whole process; a second installation would be a bug of ours.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("error: a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let done = match cli.command {
        Command::Serve(files) => block_on(serve::serve(files.config)),
        Command::CheckConfig(files) => check_config(&files.config),
        Command::Inspect(inspect) => inspect.run(),
        Command::Push(push) => block_on(do_push(push)),
        // It says more with its exit code.
        Command::Diff(diff) => return diff.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

fn check_config(files: &[PathBuf]) -> anyhow::Result<()> {
    let config = config::load(files)?;
    println!(
        "ok: {} clusters, {} tenants, {} sources, {} FlyteAdmins",
        config.clusters.len(),
        config.tenants.len(),
        config.sources.len(),
        config.flyte_admins.len()
    );
    Ok(())
}

async fn do_push(push: Push) -> anyhow::Result<()> {
    let options = push::Options {
        username: push.username,
        password_file: push.password_file,
        ca_file: push.ca_file,
        plain_http: push.plain_http,
    };
    let pushed = push::push(&push.package, &push.reference, &options).await?;
    println!("{}", pushed.reference);
    println!("{}", pushed.digest);
    Ok(())
}
