//! What can be wrong with a package.

use std::{fmt, io};

use flyte_registration_crd::{EntityType, Reason, bounded};
use thiserror::Error;

use super::Id;

/// Most problems, names and candidates that one message lists.
const LISTED: usize = 5;
/// Longest foreign text within a message, in bytes.
const FOREIGN: usize = 200;

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

/// What is wrong with one file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {what}", Foreign(.file))]
pub struct Problem {
    /// The name of the file in the archive.
    pub file: String,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum What {
    /// The name is not text, is empty, or has control characters in it.
    #[error("no usable file name")]
    Name,
    /// The name is longer than allowed.
    #[error("the name is longer than {0} bytes")]
    LongName(usize),
    /// The name is an absolute path, or leads out of the archive.
    #[error("the path leads out of the package")]
    Escapes,
    /// The file lies in a folder; `pyflyte package` makes none.
    #[error("files of a package lie in no folder")]
    Nested,
    /// A folder, a link, a device or the like.
    #[error("not a regular file")]
    NotRegular,
    /// An extension of the tar format that nothing makes in a package of this size.
    #[error("an extension of the tar format that is not supported")]
    Extension,
    /// The archive holds two files of this name.
    #[error("there are two files of this name")]
    Duplicate,
    /// Neither an entity nor an archive of code.
    #[error("neither an entity (…_1.pb, …_2.pb, …_3.pb) nor fast….tar.gz")]
    Unknown,
    /// A second archive of code.
    #[error("a second archive of code beside {}", Foreign(.0))]
    SecondFast(String),
    /// The archive of code is not what it should be.
    #[error("not a whole gzip-compressed archive")]
    Code,
    /// The archive of code is larger than allowed, compressed or not.
    #[error("code of more than {max} bytes")]
    LargeCode {
        /// The limit.
        max: u64,
    },
    /// The entity wants code that the package does not hold.
    #[error("refers to the code of the package, which holds no fast….tar.gz")]
    NoCode,
    /// The file is larger than allowed.
    #[error("{size} bytes are more than the {max} that an entity may have")]
    Large {
        /// Its size, or the size of the request made of it.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The file cannot be decoded as what its name says it is.
    #[error("does not decode as a {}: {error}", Kind(*.kind))]
    Undecodable {
        /// What the name says it is.
        kind: EntityType,
        /// What the decoder says.
        error: String,
    },
    /// The file decodes as what its name says, but holds something else.
    #[error("the name says that it is a {}, its content does not", Kind(*.kind))]
    WrongType {
        /// What the name says it is.
        kind: EntityType,
    },
    /// A required part is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The name of an entity is one that FlyteAdmin would mix up or refuse.
    #[error("the name {} cannot be registered", Foreign(.0))]
    EntityName(String),
    /// An id that the package owns points at another place than the one asked for.
    #[error(
        "carries the id {0}, which is not where it should be registered; only references may point elsewhere"
    )]
    ForeignId(Id),
    /// A reference that FlyteAdmin would take for something else.
    #[error("node {}: its reference to a {} has no name, or another type", Foreign(.node), Kind(*.kind))]
    Reference {
        /// The node.
        node: String,
        /// What it should refer to.
        kind: EntityType,
    },
    /// Another file holds the same entity.
    #[error("the same {} as in {}", Kind(*.kind), Foreign(.other))]
    SameEntity {
        /// What both are.
        kind: EntityType,
        /// The other file.
        other: String,
    },
    /// More nodes than FlyteAdmin accepts.
    #[error("{count} nodes are more than the {max} that a workflow may have")]
    Nodes {
        /// How many there are.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// FlyteAdmin drops nodes of these ids without a word.
    #[error("workflow {}: the node id {} is reserved", Foreign(.workflow), Foreign(.node))]
    ReservedNode {
        /// The workflow.
        workflow: String,
        /// The node.
        node: String,
    },
    /// FlyteAdmin drops the second of these nodes without a word.
    #[error("workflow {}: two nodes have the id {}", Foreign(.workflow), Foreign(.node))]
    DuplicateNode {
        /// The workflow.
        workflow: String,
        /// The node.
        node: String,
    },
    /// A workflow is embedded twice.
    #[error("embeds the workflow {} twice", Foreign(.0))]
    EmbeddedTwice(String),
    /// A request with this in it ends FlyteAdmin's process.
    #[error("the workflow {} contains itself", Foreign(.0))]
    Recursion(String),
    /// The entity can never be registered, as it waits for itself.
    #[error("needs itself to be registered first")]
    Cycle,
}

impl What {
    /// Whether the file is merely too large.
    fn is_size(&self) -> bool {
        matches!(
            self,
            Self::Large { .. } | Self::LargeCode { .. } | Self::LongName(_) | Self::Nodes { .. }
        )
    }
}

/// Text out of a package: made visible and short.
struct Foreign<'a>(&'a String);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cut first: escaping makes it longer, and there may be a megabyte of it.
        let cut = bounded(self.0, FOREIGN);
        f.write_str(&bounded(&cut.escape_debug().to_string(), FOREIGN))
    }
}

/// The first few of a list.
struct Listed<'a, T>(&'a [T], &'static str);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, item) in self.0.iter().take(LISTED).enumerate() {
            if index > 0 {
                f.write_str(self.1)?;
            }
            let text = item.to_string();
            f.write_str(&bounded(&text, 2 * FOREIGN))?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "{}and {more} more", self.1),
        }
    }
}

/// The everyday word for a kind of entity.
pub(crate) struct Kind(pub(crate) EntityType);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            EntityType::Task => "task",
            EntityType::Workflow => "workflow",
            EntityType::LaunchPlan => "launch plan",
        })
    }
}
