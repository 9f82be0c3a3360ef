//! What the names of a package's files say.

use flyte_registration_crd::EntityType;

use super::What;

/// What a file of a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// An entity, in protobuf.
    Entity(EntityType),
    /// The archive of code that `pyflyte package --copy` adds.
    Fast,
}

/// A file's name as text, if it is one that a flat archive may have.
pub(super) fn check(name: &[u8], max: usize) -> Result<&str, What> {
    if name.len() > max {
        return Err(What::LongName(max));
    }
    let name = str::from_utf8(name).map_err(|_| What::Name)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(What::Name);
    }
    // A backslash separates folders on the machine that packaged, or will read, the file.
    let mut parts = name.split(['/', '\\']);
    if name.starts_with(['/', '\\']) || parts.any(|part| part == "..") {
        return Err(What::Escapes);
    }
    if name.contains(['/', '\\']) {
        return Err(What::Nested);
    }
    Ok(name)
}

/// What the file is for, by the rules of `flytectl register`: the suffix alone decides.
pub(super) fn role(name: &str) -> Option<Role> {
    if let Some(kind) = kind_of(name) {
        Some(Role::Entity(kind))
    } else if is_code(name) {
        Some(Role::Fast)
    } else {
        None
    }
}

/// `fast<md5>.tar.gz`. The name becomes a part of a URL, and FlyteAdmin lets a name with
/// `..`, `?` or `#` in it lead to other objects of its bucket: only harmless characters.
fn is_code(name: &str) -> bool {
    name.strip_prefix("fast")
        .and_then(|rest| rest.strip_suffix(".tar.gz"))
        .is_some_and(|rest| {
            rest.chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        })
}

/// The kind of entity in a file of this name: `…_1.pb`, `…_2.pb` or `…_3.pb`.
pub(in crate::package) fn kind_of(name: &str) -> Option<EntityType> {
    const SUFFIXES: [(&str, EntityType); 3] = [
        ("_1.pb", EntityType::Task),
        ("_2.pb", EntityType::Workflow),
        ("_3.pb", EntityType::LaunchPlan),
    ];
    SUFFIXES
        .iter()
        .find(|(suffix, _)| name.ends_with(suffix))
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_flat_archive() {
        assert_eq!(check(b"0_etl.task_1.pb", 64), Ok("0_etl.task_1.pb"));
        assert_eq!(check(b"..._1.pb", 64), Ok("..._1.pb"));
        for escape in [
            "../a_1.pb",
            "a/../b_1.pb",
            "/a_1.pb",
            "..",
            "a\\..\\b",
            "\\a",
        ] {
            assert_eq!(check(escape.as_bytes(), 64), Err(What::Escapes), "{escape}");
        }
        for nested in ["a/b_1.pb", "./a_1.pb", "a/", "a\\b"] {
            assert_eq!(check(nested.as_bytes(), 64), Err(What::Nested), "{nested}");
        }
        assert_eq!(check(b"", 64), Err(What::Name));
        assert_eq!(check(b"a\0_1.pb", 64), Err(What::Name));
        assert_eq!(check(b"a\xff_1.pb", 64), Err(What::Name));
        assert_eq!(check(b"12345", 4), Err(What::LongName(4)));
    }

    #[test]
    fn the_suffix_decides() {
        assert_eq!(role("0_a_1.pb"), Some(Role::Entity(EntityType::Task)));
        assert_eq!(role("0_a_1_2.pb"), Some(Role::Entity(EntityType::Workflow)));
        assert_eq!(role("0_a_3.pb"), Some(Role::Entity(EntityType::LaunchPlan)));
        assert_eq!(role("fast0a.tar.gz"), Some(Role::Fast));
        for unknown in [
            "0_a_4.pb",
            "a.pb",
            "a_1.pb.bak",
            "slow.tar.gz",
            "fast.tgz",
            "fast?a.tar.gz",
            "fast#a.tar.gz",
            "fast..tar.gz",
            "fast a.tar.gz",
            "fastä.tar.gz",
            "fast%2e.tar.gz",
            "README",
        ] {
            assert_eq!(role(unknown), None, "{unknown}");
        }
    }
}
