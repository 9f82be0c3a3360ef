//! The rules of a spec's fields, in one table: the CRD's CEL rules and the hub's own
//! check are both made from it, so that they cannot disagree.

/// A rule of one text field.
#[derive(Debug)]
pub struct Rule {
    /// A regular expression in the common part of RE2 and Rust's `regex`, anchored.
    pub pattern: &'static str,
    /// Largest length in characters.
    pub max_length: u32,
    /// What a user reads who breaks the rule.
    pub message: &'static str,
}

/// Flyte's project and domain ids. Registered projects are DNS labels, seeded ones are
/// whatever the operator typed, so this is a little wider.
pub const ID: Rule = Rule {
    pattern: "^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$",
    max_length: 63,
    message: "must be letters, digits, '-' and '_', beginning and ending with a letter or digit",
};

/// Versions that FlyteAdmin stores without mixing them up: `?`, `#`, `%` and `/` in a
/// version make two of them share one stored closure.
pub const WORKFLOW_VERSION: Rule = Rule {
    pattern: "^[A-Za-z0-9_][A-Za-z0-9._~+-]*$",
    max_length: 128,
    message: "must be letters, digits and '.', '_', '~', '+', '-', beginning with a letter, digit or '_'",
};

/// A package: relative to the tenant's default source, or absolute.
pub const PACKAGE_URI: Rule = Rule {
    pattern: concat!(
        // relative
        r"^([A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*",
        // oci://host[:port]/repository[:tag][@sha256:hex]
        r"|oci://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+",
        r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[a-f0-9]{64})?",
        // artifactory://repository/path
        r"|artifactory://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9{_][A-Za-z0-9._~+{}-]*)+",
        // https://host[:port]/path[?query]
        r"|https://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9_~%+{}=,@-][A-Za-z0-9._~%+{}=,@-]*)+",
        r"(\?[A-Za-z0-9._~%+{}=&,@/-]*)?)$",
    ),
    max_length: 512,
    message: "must be a path such as team/package, or oci://host/repository[:tag][@sha256:digest], \
              artifactory://repository/path, or https://host/path",
};

/// A pinned digest.
pub const DIGEST: Rule = Rule {
    pattern: "^sha256:[a-f0-9]{64}$",
    max_length: 71,
    message: "must be sha256: and 64 lower-case hexadecimal digits",
};

/// The name of a workflow or launch plan.
pub const ENTITY_NAME: Rule = Rule {
    pattern: "^[A-Za-z0-9_][A-Za-z0-9._-]*$",
    max_length: 512,
    message: "must be letters, digits, '.', '_' and '-', beginning with a letter, digit or '_'",
};

/// A Kubernetes service account: a DNS subdomain.
pub const SERVICE_ACCOUNT: Rule = Rule {
    pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
    max_length: 253,
    message: "must be the name of a Kubernetes service account",
};

/// A role that tasks assume, for example an AWS ARN.
pub const IAM_ROLE: Rule = Rule {
    pattern: "^[A-Za-z0-9+=,.@:/_-]+$",
    max_length: 2048,
    message: "must be the name or ARN of a role",
};

/// Where tasks put their raw output.
pub const RAW_OUTPUT_DATA_PREFIX: Rule = Rule {
    pattern: r"^[a-z][a-z0-9+.-]*://[^\s]+$",
    max_length: 1024,
    message: "must be a URL such as s3://bucket/prefix",
};

/// An interval, in Go's notation.
pub const INTERVAL: Rule = Rule {
    pattern: r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$",
    max_length: 32,
    message: "must be a duration such as 30m or 1h30m, of a minute or more",
};

/// Shortest interval.
pub const INTERVAL_MIN: std::time::Duration = std::time::Duration::from_mins(1);
/// What is said of a shorter one: the same as of one that cannot be read.
pub const INTERVAL_MIN_CEL: &str =
    "self.matches(r'^([0-9]+(\\.[0-9]+)?(h|m|s|ms))+$') && duration(self) >= duration('1m')";

/// Most names in `launchPlans.names`.
pub const LAUNCH_PLAN_NAMES_MAX: usize = 200;

/// `digest` and a digest in the URI must agree.
pub const DIGESTS_AGREE_CEL: &str = "!has(self.digest) || !self.workflowPackageUri.contains('@sha256:') || \
                                     self.workflowPackageUri.endsWith('@' + self.digest)";
/// What is said when they do not.
pub const DIGESTS_AGREE: &str = "differs from the digest in workflowPackageUri";

/// `names` belong to `activate: Named`, and only to it.
pub const NAMES_GO_WITH_NAMED_CEL: &str =
    "(has(self.activate) && self.activate == 'Named') == (has(self.names) && size(self.names) > 0)";
/// What is said when they do not.
pub const NAMES_GO_WITH_NAMED: &str = "names must be given with activate: Named, and only with it";

#[cfg(feature = "schema")]
pub(crate) fn cel(rule: &Rule) -> kube::core::Rule {
    // A raw string literal of CEL: none of the patterns holds a quote.
    kube::core::Rule::new(format!("self.matches(r'{}')", rule.pattern)).message(rule.message)
}
