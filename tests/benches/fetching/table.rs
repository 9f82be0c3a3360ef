//! The table, and what it says of the goal.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use super::{
    bare::Way,
    cases::Case,
    store::{PACKAGES, Packages},
};

/// The hub may take as many times as long as the bare client at its best.
const OVER_BARE: f64 = 1.2;
const MIB: u64 = 1 << 20;

/// Prints the figures as Markdown.
pub struct Table<'a>(pub &'a [Case]);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| 1,000 packages of 100 kB | hub | requests per package | memory at most | bare client at its best | |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- |")?;
        for case in self.0 {
            let peak = case.hub.iter().map(|taken| taken.peak).max();
            write!(
                f,
                "| {} | {:.2} s | {:.2} | {} MiB |",
                what(case),
                hub(case),
                f64::from(case.requests) / f64::from(PACKAGES),
                peak.unwrap_or_default().div_ceil(MIB),
            )?;
            match best(case) {
                Some((way, seconds)) => writeln!(
                    f,
                    " {seconds:.2} s, {} | {:.2} times as long |",
                    described(way),
                    hub(case) / seconds
                )?,
                None => writeln!(f, " | |")?,
            }
        }
        writeln!(f, "\n| bare client | distinct | one digest |")?;
        writeln!(f, "| --- | --- | --- |")?;
        let compared: Vec<&Case> = self.0.iter().filter(|case| !case.bare.is_empty()).collect();
        let ways = compared.first().map_or(0, |case| case.bare.len());
        for way in 0..ways {
            write!(f, "| {} |", described(compared[0].bare[way].0))?;
            for case in &compared {
                write!(f, " {:.2} s |", median(case.bare[way].1.iter().copied()))?;
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        let over = compared
            .iter()
            .filter_map(|case| Some(hub(case) / best(case)?.1));
        let most = over.fold(0.0, f64::max);
        let met = if most <= OVER_BARE { "met" } else { "MISSED" };
        writeln!(
            f,
            "{met}: at most {OVER_BARE} times as long as the bare client at its best: {most:.2}"
        )
    }
}

fn what(case: &Case) -> &'static str {
    match (case.packages, case.cold) {
        (Packages::Distinct, true) => "distinct",
        (Packages::Distinct, false) => "the same after a restart of the hub",
        (Packages::Shared, _) => "tags of one digest",
    }
}

fn described(way: Way) -> String {
    let protocol = if way.http2 { "HTTP/2" } else { "HTTP/1.1" };
    format!("{protocol}, {} in flight", way.in_flight)
}

/// Which way the bare client is fastest, and how many seconds it needs.
fn best(case: &Case) -> Option<(Way, f64)> {
    let all = case
        .bare
        .iter()
        .map(|(way, times)| (*way, median(times.iter().copied())));
    all.min_by(|(_, one), (_, other)| one.total_cmp(other))
}

fn hub(case: &Case) -> f64 {
    median(case.hub.iter().map(|taken| taken.time))
}

fn median(times: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}
