//! The marks of PERFORMANCE: what a first landing must reach, and where the project goes.

use crate::measure::{Measured, Result};

/// Something to reach: at most this much of something.
pub(crate) struct Mark {
    pub(crate) of: Of,
    pub(crate) land: Option<f64>,
    pub(crate) goal: Option<f64>,
}

/// What is compared.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// Our time as a multiple of a peer's.
    Time(&'static str),
    /// Our instructions as a multiple of a peer's.
    InstructionsAgainst(&'static str),
    /// Instructions per unit.
    Instructions,
    /// Nanoseconds per unit.
    Nanoseconds,
    /// Allocations per unit.
    Allocations,
}

impl Mark {
    pub(crate) const fn new(of: Of, land: f64, goal: f64) -> Self {
        Self { of, land: Some(land), goal: Some(goal) }
    }

    pub(crate) const fn land(of: Of, land: f64) -> Self {
        Self { of, land: Some(land), goal: None }
    }

    pub(crate) const fn goal(of: Of, goal: f64) -> Self {
        Self { of, land: None, goal: Some(goal) }
    }

    /// Where we are; `None` if it was not measured.
    pub(crate) fn value(&self, result: &Measured) -> Option<f64> {
        let ours = result.ours();
        let peer = |name: &str| result.peers.iter().find(|peer| peer.name == name);
        match self.of {
            Of::Time(name) => peer(name).map(|peer| 1.0 / peer.ratio.median),
            Of::InstructionsAgainst(name) => Some(ours.instructions? / peer(name)?.instructions?),
            Of::Instructions => ours.instructions,
            Of::Nanoseconds => Some(ours.nanoseconds.median),
            Of::Allocations => Some(ours.allocations),
        }
    }

    /// The mark in words, with where we are.
    pub(crate) fn text(&self, result: &Measured) -> String {
        let what = match self.of {
            Of::Time(peer) => format!("time against {peer}"),
            Of::InstructionsAgainst(peer) => format!("instructions against {peer}"),
            Of::Instructions => format!("instructions a {}", result.unit),
            Of::Nanoseconds => format!("ns a {}", result.unit),
            Of::Allocations => format!("allocations a {}", result.unit),
        };
        let value = self.value(result);
        let mark = |name: &str, most: Option<f64>| {
            let most = most?;
            let verdict = match value {
                Some(value) if round(value) <= most => "reached",
                Some(_) => "**missed**",
                None => "not measured",
            };
            Some(format!("{name} {most}: {verdict}"))
        };
        let marks: Vec<String> = [mark("land", self.land), mark("goal", self.goal)].into_iter().flatten().collect();
        let value = value.map_or("?".to_owned(), short);
        format!("{what} {value} ({})", marks.join(", "))
    }

    /// For the picture: which peer's bar the marks belong to, and how far to the right that bar would have to reach.
    pub(crate) fn on_bar(&self, peer: &Result) -> Option<(Option<f64>, Option<f64>)> {
        match self.of {
            Of::Time(name) if name == peer.name => Some((self.land.map(|x| 1.0 / x), self.goal.map(|x| 1.0 / x))),
            _ => None,
        }
    }
}

/// To what is shown, so that what is shown as 1.00 is not said to miss 1.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Three digits or so.
pub(crate) fn short(value: f64) -> String {
    match value {
        x if x >= 99.5 => format!("{x:.0}"),
        x if x >= 9.95 => format!("{x:.1}"),
        x if x >= 0.0995 || x == 0.0 => format!("{x:.2}"),
        x => format!("{x:.3}"),
    }
}
