use flyte_registration_crd::EntityType;
use thiserror::Error;

use super::text::{Foreign, Kind};
use crate::package::Id;

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
    pub(super) fn is_size(&self) -> bool {
        matches!(
            self,
            Self::Large { .. } | Self::LargeCode { .. } | Self::LongName(_) | Self::Nodes { .. }
        )
    }
}
