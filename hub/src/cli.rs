//! The command line: running the hub, and its engine for people and scripts.

#![allow(clippy::print_stdout, clippy::print_stderr)] // the only place that speaks to a terminal

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::{push, serve};

mod admin;
mod can_i;
mod check_config;
mod diff;
mod differences;
mod get;
mod inspect;
mod logs;
mod output;
mod package;
mod progress;
mod register;
mod stop;
mod target;

/// The name of the program.
const NAME: &str = "flyte-registration-hub";

/// Something stands against what was asked for.
const FAILED: u8 = 1;
/// It could not be tried: wrong usage, as clap has it too.
const MISUSED: u8 = 2;

/// Registers the Flyte packages that the agents' clusters ask for.
#[derive(Debug, Parser)]
#[command(name = NAME, version)]
#[command(after_long_help = "\
Exit codes:
  0  done
  1  something stands against it; diff: something is different
  2  wrong usage; diff: or it could not be compared")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the hub.
    Serve(ConfigFiles),
    /// Reads the configuration, and says what is wrong with it, or who may register what.
    CheckConfig(ConfigFiles),
    /// Says whether a namespace may register something, and by which rule.
    CanI(Box<can_i::CanI>),
    /// Pushes a package made by `pyflyte package` to an OCI registry.
    Push(Push),
    /// Shows what a package holds.
    Inspect(inspect::Inspect),
    /// Registers a package in FlyteAdmin, as the hub would, or shows what would happen.
    Register(Box<register::Register>),
    /// Shows how a package differs from what is registered. Only reads.
    Diff(Box<diff::Diff>),
    /// Shows what a running hub knows: clusters, registrations, what happened.
    Get(Box<get::Get>),
    /// Prints what makes a shell complete this command line.
    #[command(after_long_help = "\
Examples:
  bash: flyte-registration-hub completion bash > /etc/bash_completion.d/flyte-registration-hub
  zsh:  flyte-registration-hub completion zsh > \"${fpath[1]}/_flyte-registration-hub\"")]
    Completion {
        /// The shell.
        shell: Shell,
    },
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
        Command::CheckConfig(files) => check_config::run(&files.config),
        Command::Inspect(inspect) => inspect.run(),
        Command::Get(get) => get.run(),
        Command::Push(push) => block_on(do_push(push)),
        // These say more with their exit codes.
        Command::CanI(question) => return question.run(),
        Command::Register(register) => return register.run(),
        Command::Diff(diff) => return diff.run(),
        Command::Completion { shell } => completion(shell),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let stopped = error.downcast_ref::<stop::Stopped>();
            ExitCode::from(stopped.map_or(FAILED, |stopped| stopped.exit_code))
        }
    }
}

/// Does `work`, which says whether all is well, and speaks of errors that kept it from it.
fn judged(work: impl Future<Output = anyhow::Result<bool>>) -> ExitCode {
    let mut well = false;
    let done = block_on(async {
        well = work.await?;
        Ok(())
    });
    match done {
        Ok(()) if well => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(FAILED),
        Err(error) => {
            eprintln!("error: {error:#}");
            let stopped = error.downcast_ref::<stop::Stopped>();
            ExitCode::from(stopped.map_or(MISUSED, |stopped| stopped.exit_code))
        }
    }
}

fn completion(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    Ok(output::print(String::from_utf8(script)?.trim_end())?)
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
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
