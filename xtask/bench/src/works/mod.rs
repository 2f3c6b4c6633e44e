//! The works, a file each.

mod await_cost;
mod buffered;
mod cancellation;
mod combinators;
mod fork_join;
mod ping_pong;
mod spawn_join;
mod timers;
mod yield_storm;

use crate::work::Group;

pub(crate) fn groups() -> Vec<Group> {
    vec![tasks(), combinators(), cancellation()]
}

fn combinators() -> Group {
    Group {
        name: "combinators",
        title: "Combinators: join, race, streams",
        works: vec![
            combinators::join_ready(),
            combinators::join_two(),
            combinators::join_ten(),
            combinators::join_hundred(),
            combinators::join_thousand(),
            combinators::race_two(),
            combinators::race_hundred(),
            buffered::buffered(),
        ],
    }
}

fn cancellation() -> Group {
    Group {
        name: "cancellation",
        title: "Cancellation and timers",
        works: vec![
            cancellation::is_cancelled(),
            cancellation::child(),
            cancellation::flat_tree(),
            cancellation::chain(),
            timers::taken_back(),
            timers::fired(),
        ],
    }
}

fn tasks() -> Group {
    Group {
        name: "tasks",
        title: "Tasks: spawn, join, wake, yield",
        works: vec![
            spawn_join::one(),
            spawn_join::hundred(),
            spawn_join::ten_thousand(),
            ping_pong::one_thread(),
            ping_pong::two_workers(),
            yield_storm::one_thread(),
            yield_storm::two_workers(),
            fork_join::tree(),
            await_cost::ready(),
            await_cost::pending(),
        ],
    }
}
