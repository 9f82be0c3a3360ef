//! The command line.

use std::{io::Write as _, path::PathBuf};

use clap::{Parser, Subcommand};

use crate::crds;

/// Streams the `FlyteRegistration` resources of a cluster to the hub.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
            Command::Crds {
                out: Some(directory),
            } => Ok(crds::write(&directory)?),
            Command::Crds { out: None } => {
                Ok(std::io::stdout().write_all(crds::yaml()?.as_bytes())?)
            }
        }
    }
}
