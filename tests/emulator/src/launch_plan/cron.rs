//! Cron expressions as FlyteAdmin's parser takes them: five fields, an optional time
//! zone in front, or a descriptor.

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const BOUNDS: [Bounds; 5] = [
    Bounds {
        min: 0,
        max: 59,
        names: &[],
    },
    Bounds {
        min: 0,
        max: 23,
        names: &[],
    },
    Bounds {
        min: 1,
        max: 31,
        names: &[],
    },
    Bounds {
        min: 1,
        max: 12,
        names: &MONTHS,
    },
    Bounds {
        min: 0,
        max: 6,
        names: &DAYS,
    },
];

/// Whether the expression is valid; `Err` holds the parser's reason.
pub fn parse(expression: &str) -> Result<(), String> {
    let mut text = expression;
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        let (zone, rest) = text.split_once(' ').unwrap_or((text, ""));
        let zone = zone.split_once('=').map_or("", |(_, zone)| zone);
        if !zone.is_empty() && zone != "Local" && jiff::tz::TimeZone::get(zone).is_err() {
            return Err(format!(
                "provided bad location {zone}: unknown time zone {zone}"
            ));
        }
        text = rest.trim();
    }
    if text.starts_with('@') {
        return descriptor(text);
    }
    let fields: Vec<_> = text.split_whitespace().collect();
    if fields.len() != BOUNDS.len() {
        let count = fields.len();
        return Err(format!(
            "expected exactly 5 fields, found {count}: [{}]",
            fields.join(" ")
        ));
    }
    fields.iter().zip(&BOUNDS).try_for_each(|(text, bounds)| {
        text.split(',')
            .filter(|part| !part.is_empty())
            .try_for_each(|part| range(part, bounds))
    })
}

fn descriptor(text: &str) -> Result<(), String> {
    const KNOWN: [&str; 7] = [
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
    ];
    let every = text.strip_prefix("@every ").map(str::trim);
    let units: &[_] = &['h', 'm', 's', 'n', 'u', 'µ'];
    match every {
        Some(span) if span.starts_with(|c: char| c.is_ascii_digit()) && span.ends_with(units) => {
            Ok(())
        }
        Some(span) => Err(format!(
            "failed to parse duration {text}: time: invalid duration \"{span}\""
        )),
        None if KNOWN.contains(&text) => Ok(()),
        None => Err(format!("unrecognized descriptor: {text}")),
    }
}

fn range(text: &str, bounds: &Bounds) -> Result<(), String> {
    let parts: Vec<_> = text.split('/').collect();
    let ends: Vec<_> = parts[0].split('-').collect();
    let (start, mut end) = if matches!(ends[0], "*" | "?") {
        (bounds.min, bounds.max)
    } else {
        let start = number(ends[0], bounds.names)?;
        match ends.as_slice() {
            [_] => (start, start),
            [_, end] => (start, number(end, bounds.names)?),
            _ => return Err(format!("too many hyphens: {text}")),
        }
    };
    let step = match parts.as_slice() {
        [_] => 1,
        [_, step] => {
            if ends.len() == 1 {
                end = bounds.max;
            }
            number(step, &[])?
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    let (min, max) = (bounds.min, bounds.max);
    if start < min {
        return Err(format!(
            "beginning of range ({start}) below minimum ({min}): {text}"
        ));
    }
    if end > max {
        return Err(format!(
            "end of range ({end}) above maximum ({max}): {text}"
        ));
    }
    if start > end {
        return Err(format!(
            "beginning of range ({start}) beyond end of range ({end}): {text}"
        ));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(())
}

fn number(text: &str, names: &[&str]) -> Result<u32, String> {
    let name = text.to_lowercase();
    if let Some(index) = names.iter().position(|known| *known == name) {
        let first = u32::from(names.len() == MONTHS.len());
        return Ok(u32::try_from(index).unwrap_or(0) + first);
    }
    text.parse().map_err(|_| {
        format!("failed to parse int from {text}: strconv.Atoi: parsing \"{text}\": invalid syntax")
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_the_parser_takes() {
        for good in [
            "0 2 * * *",
            "*/5 0-6 1,15 JAN-mar mon",
            "CRON_TZ=UTC 0 2 * * ?",
            "@daily",
            "@every 5m",
        ] {
            assert_eq!(parse(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_it_does_not_take() {
        for (bad, reason) in [
            (
                "not a cron",
                "expected exactly 5 fields, found 3: [not a cron]",
            ),
            ("61 * * * *", "end of range (61) above maximum (59): 61"),
            (
                "TZ=Mars/Base 0 2 * * *",
                "provided bad location Mars/Base: unknown time zone Mars/Base",
            ),
            ("@never", "unrecognized descriptor: @never"),
            (
                "*/0 * * * *",
                "step of range should be a positive number: */0",
            ),
        ] {
            assert_eq!(parse(bad), Err(reason.to_owned()), "{bad}");
        }
    }
}
