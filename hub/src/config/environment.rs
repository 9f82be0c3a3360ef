//! Environment variables as configuration keys: `FLYTE_HUB_LISTEN__ADDRESS` is
//! `listen.address`, `FLYTE_HUB_STATE_DIR` is `stateDir`.

use figment::providers::Env;

/// The variables that begin with `prefix`.
pub(super) fn provider(prefix: &str) -> Env {
    Env::prefixed(prefix)
        .map(|key| {
            let name = key.as_str().to_ascii_lowercase();
            let keys: Vec<String> = name.split("__").map(camel_case).collect();
            keys.join(".").into()
        })
        .lowercase(false)
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut key = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        key.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        key.push_str(letters.as_str());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_becomes_camel_case() {
        assert_eq!(camel_case("state_dir"), "stateDir");
        assert_eq!(camel_case("listen"), "listen");
        assert_eq!(camel_case("max_in_flight"), "maxInFlight");
    }
}
