//! The table, and what it says of the goals.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use super::cases::{Distance, Lanes};

/// The registrar may take as many times as long as the bare client.
const OVER_BARE: f64 = 1.2;
/// An unchanged package may take this part of the time of the same calls one at a time.
const UNCHANGED: f64 = 0.1;
/// Where the round trips are what takes the time: in flight, and how many times faster than one at a time.
const FASTER_AT: u64 = 20;
const FASTER: [(usize, f64); 2] = [(8, 5.5), (24, 11.0)];

/// Prints the figures as Markdown.
pub struct Table<'a>(pub &'a [Distance]);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| round trip | in flight | registrar | bare client | | one at a time | |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
        for (distance, lanes) in self.rows() {
            writeln!(
                f,
                "| {} ms | {} | {} | {} | {:.2} times as long | {} | {:.1} times faster |",
                distance.round_trip,
                lanes.in_flight,
                seconds(&lanes.registrar),
                seconds(&lanes.bare),
                over_bare(lanes),
                seconds(&distance.one_at_a_time),
                faster(distance, lanes),
            )?;
        }
        writeln!(
            f,
            "\n| round trip | in flight | all there already | the creates again, one at a time | |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- |")?;
        for (distance, lanes) in self.rows() {
            writeln!(
                f,
                "| {} ms | {} | {} | {} | a {:.0}th |",
                distance.round_trip,
                lanes.in_flight,
                seconds(&lanes.unchanged),
                seconds(&distance.again_one_at_a_time),
                1.0 / unchanged(distance, lanes),
            )?;
        }
        writeln!(f)?;
        self.goals(f)
    }
}

impl Table<'_> {
    fn rows(&self) -> impl Iterator<Item = (&Distance, &Lanes)> {
        let distances = self.0.iter();
        distances.flat_map(|distance| distance.lanes.iter().map(move |lanes| (distance, lanes)))
    }

    fn goals(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let most = self.rows().map(|(_, lanes)| over_bare(lanes));
        let most = most.fold(0.0, f64::max);
        goal(
            f,
            most <= OVER_BARE,
            format_args!("at most {OVER_BARE} times as long as the bare client: {most:.2}"),
        )?;
        for (distance, lanes) in self
            .rows()
            .filter(|(distance, _)| distance.round_trip == FASTER_AT)
        {
            let wanted = FASTER
                .iter()
                .find(|(in_flight, _)| *in_flight == lanes.in_flight);
            let Some((in_flight, wanted)) = wanted else {
                continue;
            };
            let faster = faster(distance, lanes);
            goal(
                f,
                faster >= *wanted,
                format_args!(
                    "at {FASTER_AT} ms with {in_flight} in flight {wanted} times faster than one at a time: {faster:.1}"
                ),
            )?;
        }
        let away = self.rows().filter(|(distance, _)| distance.round_trip > 0);
        let most = away.map(|(distance, lanes)| unchanged(distance, lanes));
        let most = most.fold(0.0, f64::max);
        goal(
            f,
            most <= UNCHANGED,
            format_args!(
                "a tenth of the calls one at a time when nothing has changed: {most:.3}, and no writes"
            ),
        )
    }
}

fn goal(f: &mut Formatter<'_>, met: bool, what: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(f, "{}: {what}", if met { "met" } else { "MISSED" })
}

fn over_bare(lanes: &Lanes) -> f64 {
    median(&lanes.registrar) / median(&lanes.bare)
}

fn faster(distance: &Distance, lanes: &Lanes) -> f64 {
    median(&distance.one_at_a_time) / median(&lanes.registrar)
}

fn unchanged(distance: &Distance, lanes: &Lanes) -> f64 {
    median(&lanes.unchanged) / median(&distance.again_one_at_a_time)
}

fn seconds(times: &[Duration]) -> String {
    format!("{:.2} s", median(times))
}

fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}
