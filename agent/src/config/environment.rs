//! Environment variables as configuration keys: `FLYTE_AGENT_HUB__TOKEN_FILE` is
//! `hub.tokenFile`.

use figment::providers::Env;

/// The variables that begin with `prefix`.
pub(super) fn provider(prefix: &str) -> Env {
    let to_key = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.split("__")
            .map(camel_case)
            .collect::<Vec<_>>()
            .join(".")
    };
    Env::prefixed(prefix)
        .map(move |name| to_key(name.as_str()).into())
        .lowercase(false)
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |key, word| {
        let (initial, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        key + &initial.to_ascii_uppercase() + rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_becomes_camel_case() {
        assert_eq!(camel_case("unreachable_after"), "unreachableAfter");
        assert_eq!(camel_case("hub"), "hub");
        assert_eq!(camel_case("a__"), "a");
    }
}
