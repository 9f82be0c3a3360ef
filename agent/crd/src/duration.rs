//! Durations as Go and Kubernetes write them: `1h30m`, `90s`, `1.5h`.

use std::{fmt, time::Duration};

/// Not a duration.
#[derive(Debug, PartialEq, Eq)]
pub struct DurationError;

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a duration such as 30m or 1h30m")
    }
}

impl std::error::Error for DurationError {}

/// Longest duration in seconds: Go counts nanoseconds in 64 bits, and so does CEL.
const LONGEST: f64 = 9_223_372_036.0;

/// Reads a non-negative duration in Go's notation, with the units h, m, s and ms.
pub fn parse_go_duration(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(DurationError)?;
        let number: f64 = rest[..digits].parse().map_err(|_| DurationError)?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..letters] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return Err(DurationError),
            };
        rest = &rest[letters..];
    }
    if text.is_empty() || total > LONGEST {
        return Err(DurationError);
    }
    Duration::try_from_secs_f64(total).map_err(|_| DurationError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_writes() {
        assert_eq!(parse_go_duration("1h30m").unwrap().as_secs(), 5400);
        assert_eq!(parse_go_duration("90s").unwrap().as_secs(), 90);
        assert_eq!(parse_go_duration("1.5h").unwrap().as_secs(), 5400);
        assert_eq!(parse_go_duration("250ms").unwrap().as_millis(), 250);
        for bad in [
            "", "1", "h", "1d", "-1m", "1h30", " 1h", "1..2s", "9e99h", "2562048h",
        ] {
            assert!(parse_go_duration(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = parse_go_duration(&text);
        }
    }
}
