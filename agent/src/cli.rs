//! The command line.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{self, Flags, Log, LogFormat},
    crds, run,
};

/// Streams the `FlyteRegistration` resources of a cluster to the hub.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the agent.
    Run {
        /// The configuration file; every key in it is documented in config/agent.yaml.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        flags: Box<Flags>,
    },
    /// Prints the custom resource definitions as YAML.
    Crds {
        /// Write them to files in this directory instead.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

impl Cli {
    /// Does what the command line asks for.
    pub fn execute(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run { config, flags } => {
                let config = config::load(config.as_deref(), &flags)?;
                log(&config.log)?;
                // One thread is enough for what an agent does, and costs the least memory.
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(run::run(config))
            }
            Command::Crds {
                out: Some(directory),
            } => Ok(crds::write(&directory)?),
            Command::Crds { out: None } => {
                Ok(std::io::stdout().write_all(crds::yaml()?.as_bytes())?)
            }
        }
    }
}

fn log(log: &Log) -> anyhow::Result<()> {
    // kube logs every failed request as an error, beside returning it to us, who log it too.
    let filter = EnvFilter::try_new(format!("kube_client=off,{}", log.level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!(error))
}
