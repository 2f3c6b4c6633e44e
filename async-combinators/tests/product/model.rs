//! The documented semantics of the operations in plain code.

use crate::children::{Child, Child::*, Event, State, Step, may_be_dropped, step};

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Op {
    Join,
    TryJoin,
    Race,
    RaceOk,
    Select,
}

/// What came out: a panic, nothing yet although all was tried, or outputs in a form common to all operations.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    Panic(String),
    Stuck,
    /// Whether the operation succeeded, who decided, and which outputs were handed back.
    Output {
        ok: bool,
        first: Option<usize>,
        handed_back: Vec<(usize, bool)>,
    },
}

/// The documented semantics.
pub fn model(kinds: &[Child], op: Op) -> (Outcome, Vec<Event>) {
    let n = kinds.len();
    let mut m = Model {
        kinds,
        op,
        states: vec![State::default(); n],
        live: vec![true; n],
        outputs: vec![None; n],
        drops: vec![],
        panic: None,
        first: None,
        finishing: false,
        outer: false,
    };
    m.round(true);
    loop {
        if m.live.iter().all(|live| !live) {
            return m.complete();
        }
        // `WakesItself` and `WhenAsked` woke their task: another round. Then the test wakes the next one that waits for it.
        if m.states.iter().zip(kinds).zip(&m.live).any(|((s, k), live)| *live && woke(*k, s)) {
            m.round(false);
        } else if let Some(index) = (0..n).find(|&i| m.live[i] && kinds[i].waits_for_test() && !m.states[i].go) {
            m.states[index].go = true;
            m.round(false);
        } else if !m.outer {
            m.outer = true;
            m.round(false);
        } else {
            return (Outcome::Stuck, m.drops);
        }
    }
}

fn woke(child: Child, state: &State) -> bool {
    match child {
        WakesItself => state.polls == 1,
        WhenAsked => state.asked == 1,
        _ => false,
    }
}

struct Model<'a> {
    kinds: &'a [Child],
    op: Op,
    states: Vec<State>,
    live: Vec<bool>,
    outputs: Vec<Option<bool>>,
    drops: Vec<Event>,
    panic: Option<String>,
    first: Option<usize>,
    finishing: bool,
    outer: bool,
}

impl Model<'_> {
    fn note(&mut self, panic: String) {
        self.panic.get_or_insert(panic);
    }

    /// Whether the destructor panicked.
    fn drop_child(&mut self, index: usize) -> bool {
        self.live[index] = false;
        self.drops.push(Event::Child(index));
        if self.kinds[index].drop_panics() {
            self.note(format!("drop {index}"));
        }
        self.kinds[index].drop_panics()
    }

    fn drop_output(&mut self, index: usize) {
        if self.outputs[index].take().is_some() {
            self.drops.push(Event::Output(index));
            if self.kinds[index] == OutputPanic {
                self.note(format!("output {index}"));
            }
        }
    }

    fn round(&mut self, first_round: bool) {
        if !self.finishing {
            let mut fresh_from = usize::MAX;
            for index in 0..self.live.len() {
                if self.live[index] && self.poll(index) {
                    self.finishing = true;
                    fresh_from = if first_round { index + 1 } else { usize::MAX };
                    break;
                }
            }
            if self.finishing {
                self.finish(fresh_from);
            }
        } else {
            self.finish(usize::MAX);
        }
    }

    /// Whether the others are to be ended.
    fn poll(&mut self, index: usize) -> bool {
        match step(self.kinds[index], &mut self.states[index], self.finishing || self.outer) {
            Step::Pending { .. } => false,
            Step::Panic => {
                self.note(format!("poll {index}"));
                self.drop_child(index);
                true
            }
            Step::Done(ok) => {
                self.outputs[index] = Some(ok);
                if self.drop_child(index) {
                    // The panic of the destructor is the panic of the child, whose output goes too.
                    self.drop_output(index);
                    return true;
                }
                let decides = match self.op {
                    Op::Join => false,
                    Op::TryJoin => !ok,
                    Op::Race | Op::Select => true,
                    Op::RaceOk => ok,
                };
                if decides && !self.finishing {
                    self.first = Some(index);
                }
                decides
            }
        }
    }

    fn finish(&mut self, fresh_from: usize) {
        for index in 0..self.live.len() {
            if !self.live[index] {
                continue;
            }
            let safe = |m: &Self| may_be_dropped(m.kinds[index], &m.states[index]);
            if index >= fresh_from || safe(self) {
                self.drop_child(index);
                continue;
            }
            self.poll(index);
            if self.live[index] && safe(self) {
                self.drop_child(index);
            }
        }
    }

    fn complete(mut self) -> (Outcome, Vec<Event>) {
        let n = self.live.len();
        let keeps_late = matches!(self.op, Op::Join | Op::Select);
        if self.panic.is_some() || (!keeps_late && self.first.is_some()) {
            for index in 0..n {
                if Some(index) != self.first || self.panic.is_some() {
                    self.drop_output(index);
                }
            }
            if self.panic.is_some()
                && let Some(first) = self.first
            {
                self.drop_output(first);
            }
        }
        if let Some(panic) = self.panic {
            return (Outcome::Panic(panic), self.drops);
        }
        let handed_back = (0..n).filter_map(|i| Some((i, self.outputs[i]?))).collect();
        let ok = match self.op {
            Op::Join | Op::Select => true,
            Op::TryJoin => self.first.is_none(),
            Op::Race => self.first.and_then(|i| self.outputs[i]).unwrap_or(false),
            Op::RaceOk => self.first.is_some(),
        };
        let first = if self.op == Op::Select { self.first } else { None };
        (Outcome::Output { ok, first, handed_back }, self.drops)
    }
}
