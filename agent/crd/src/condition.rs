//! Conditions, as `metav1.Condition` and kstatus define them.

use serde::{Deserialize, Serialize};

use crate::Reason;

/// The conditions that we write. kstatus reads all three: `Reconciling` means in
/// progress, `Stalled` failed for good, and `Ready` alone tells neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ConditionType {
    /// What the resource asks for is in FlyteAdmin.
    Ready,
    /// The hub is at work, or will be without anybody's help.
    Reconciling,
    /// Nothing more happens until the resource or the policy changes.
    Stalled,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known yet.
    Unknown,
}

/// One condition. The field names are those of `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which condition this is: the key of the list.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word out of a closed list.
    pub reason: Reason,
    /// Why, for people. At most 1 KiB.
    #[cfg_attr(feature = "schema", schemars(length(max = 1024)))]
    pub message: String,
    /// When `status` last changed, RFC 3339 in UTC.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "date-time")))]
    pub last_transition_time: String,
    /// The generation that this condition was made for.
    pub observed_generation: i64,
}
