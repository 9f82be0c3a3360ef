//! What can be wrong with a package.

use std::io;

use flyte_registration_crd::Reason;
use thiserror::Error;

mod problem;
mod text;

pub use problem::{Problem, What};
pub(crate) use text::Kind;
use text::{Foreign, Listed};

/// Why a package cannot be registered.
#[derive(Debug, Error)]
pub enum PackageError {
    /// The bytes of the package could not be had: a matter of the hub, not of the package.
    #[error("the package cannot be read")]
    Read(#[source] io::Error),
    /// The package does not begin as gzip does.
    #[error("the package is not gzip-compressed")]
    NotGzip,
    /// What is inside is no tar archive.
    #[error("the package is not a gzip-compressed tar archive")]
    NotTar,
    /// The archive ends early or is garbled.
    #[error("the package is damaged after {}", Foreign(.after))]
    Damaged {
        /// The last file that was seen.
        after: String,
    },
    /// The archive holds no file.
    #[error("the package holds no files")]
    Empty,
    /// The package unpacks to more bytes than [`Limits`](super::Limits) allow.
    #[error("the package unpacks to more than {max} bytes, which is reached in {}", Foreign(.file))]
    TooLarge {
        /// The file at which the limit was reached.
        file: String,
        /// The limit.
        max: u64,
    },
    /// The package holds more files than [`Limits`](super::Limits) allow.
    #[error("the package holds more than {max} files: {} is one too many", Foreign(.file))]
    TooMany {
        /// The first file over the limit.
        file: String,
        /// The limit.
        max: usize,
    },
    /// What to register under cannot be used as it is.
    #[error("{field} {} cannot be used for registration", Foreign(.value))]
    Target {
        /// `project`, `domain` or `version`.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// Files of the package are wrong; all that is known to be wrong with them.
    #[error("{}", Listed(.0, "; "))]
    Problems(Vec<Problem>),
    /// No workflow of the package has that name.
    #[error("the package holds no workflow {}; it holds {}", Foreign(.wanted), Listed(.held, ", "))]
    WorkflowNotFound {
        /// The name that was asked for.
        wanted: String,
        /// The workflows that there are.
        held: Vec<String>,
    },
    /// Several workflows of the package have that short name.
    #[error("{} may be any of {}: give the full name", Foreign(.wanted), Listed(.candidates, ", "))]
    WorkflowAmbiguous {
        /// The name that was asked for.
        wanted: String,
        /// The workflows that it fits.
        candidates: Vec<String>,
    },
    /// Launch plans that should be activated are not in the package, or not selected.
    #[error(
        "spec.launchPlans.names: the package holds no launch plan {}; it holds {}",
        Listed(.wanted, ", "),
        Listed(.held, ", ")
    )]
    LaunchPlanNotFound {
        /// The names that nothing has.
        wanted: Vec<String>,
        /// The launch plans that there are.
        held: Vec<String>,
    },
    /// Launch plans that should be activated have a schedule that FlyteAdmin cannot activate.
    #[error(
        "launch plan {} cannot be activated, as its schedule is of the deprecated form cron_expression; give it a CronSchedule with schedule=",
        Listed(.0, ", ")
    )]
    OldSchedule(Vec<String>),
}

impl PackageError {
    /// The reason that the resource's conditions show.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Read(_) => Reason::SourceUnavailable,
            Self::TooLarge { .. } | Self::TooMany { .. } => Reason::PackageTooLarge,
            Self::Target { .. } | Self::LaunchPlanNotFound { .. } => Reason::InvalidSpec,
            Self::WorkflowNotFound { .. } | Self::WorkflowAmbiguous { .. } => {
                Reason::WorkflowNotFound
            }
            Self::Problems(problems) if problems.iter().all(|problem| problem.what.is_size()) => {
                Reason::PackageTooLarge
            }
            Self::NotGzip
            | Self::NotTar
            | Self::Damaged { .. }
            | Self::Empty
            | Self::OldSchedule(_)
            | Self::Problems(_) => Reason::PackageInvalid,
        }
    }
}
