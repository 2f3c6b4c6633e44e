//! Measures a work: warms up, finds out how often to repeat it, then lets the peers take turns.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use crate::{
    allocations,
    clock::Clock,
    instructions,
    marks::Mark,
    work::{Doing, Work},
};

/// How much to measure.
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// How long one peer does the work in one round.
    pub(crate) turn: Duration,
    warm_up: Duration,
    pub(crate) instructions: bool,
}

impl Effort {
    pub(crate) fn full(instructions: bool) -> Self {
        Self { rounds: 121, turn: Duration::from_millis(3), warm_up: Duration::from_millis(80), instructions }
    }

    pub(crate) fn quick() -> Self {
        Self { rounds: 3, turn: Duration::from_micros(200), warm_up: Duration::ZERO, instructions: false }
    }
}

/// A measured work.
pub(crate) struct Measured {
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) marks: Vec<Mark>,
    /// In the order of the work: ours first.
    pub(crate) peers: Vec<Result>,
}

/// What one peer has shown. All but the ratio are per unit of the work.
pub(crate) struct Result {
    pub(crate) name: &'static str,
    pub(crate) nanoseconds: Spread,
    /// Its time as a multiple of ours, in the same round: more than 1 is slower than we are.
    pub(crate) ratio: Spread,
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
    pub(crate) instructions: Option<f64>,
}

impl Measured {
    pub(crate) fn ours(&self) -> &Result {
        &self.peers[0]
    }
}

/// The median of all rounds, and between what the middle half of them lies.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        // Between the two neighbours where the place falls between them.
        let at = |share: f64| {
            let place = share * (values.len() - 1) as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

/// A peer at work.
struct Contestant {
    doing: Doing,
    /// How often it does the work in one round.
    times: u64,
    /// Nanoseconds per unit, a round each.
    rounds: Vec<f64>,
}

pub(crate) fn work(work: &Work, effort: &Effort) -> std::result::Result<Measured, Box<dyn Error>> {
    Clock::set_one_thread(work.one_thread());
    let mut contestants: Vec<Contestant> = work.peers.iter().map(|peer| Contestant::new(peer.make, effort)).collect();
    for round in 0..effort.rounds {
        for place in 0..contestants.len() {
            let at = (round + place) % work.peers.len();
            contestants[at].turn(work.units);
        }
    }
    let ours = contestants[0].rounds.clone();
    let mut peers = Vec::new();
    for (peer, mut contestant) in work.peers.iter().zip(contestants) {
        let ratios = contestant.rounds.iter().zip(&ours).map(|(theirs, ours)| theirs / ours).collect();
        let (allocations, bytes) = contestant.allocations();
        let per_unit = |count: u64| count as f64 / work.units as f64;
        let instructions = effort.instructions && peer.one_thread;
        peers.push(Result {
            name: peer.name,
            nanoseconds: Spread::of(contestant.rounds),
            ratio: Spread::of(ratios),
            allocations: per_unit(allocations) / ALLOCATING as f64,
            bytes: per_unit(bytes) / ALLOCATING as f64,
            instructions: instructions
                .then(|| instructions::count(work.name, peer.name))
                .transpose()?
                .map(|count| count / work.units as f64),
        });
    }
    Ok(Measured { title: work.title, unit: work.unit, marks: marks(work), peers })
}

fn marks(work: &Work) -> Vec<Mark> {
    work.marks.iter().map(|mark| Mark { of: mark.of, land: mark.land, goal: mark.goal }).collect()
}

/// How often the work is done to count allocations.
const ALLOCATING: u64 = 8;

impl Contestant {
    fn new(make: fn() -> Doing, effort: &Effort) -> Self {
        let mut doing = make();
        let mut times = 1;
        let (start, mut taken) = (Instant::now(), Duration::ZERO);
        while start.elapsed() < effort.warm_up || (taken < effort.turn && times < 1 << 40) {
            if taken < effort.turn {
                times *= 2;
            }
            // On the wall also where only a part counts: it is the whole that has to fit into a turn.
            let begun = Instant::now();
            doing(times);
            taken = begun.elapsed();
        }
        let share = effort.turn.as_secs_f64() / taken.as_secs_f64().max(1e-9);
        let times = ((times as f64 * share) as u64).max(1);
        Self { doing, times, rounds: Vec::new() }
    }

    fn turn(&mut self, units: u64) {
        let taken = (self.doing)(self.times);
        self.rounds.push(taken.as_nanos() as f64 / (self.times * units) as f64);
    }

    fn allocations(&mut self) -> (u64, u64) {
        allocations::during(|| {
            (self.doing)(ALLOCATING);
        })
    }
}
