//! The works, a file each.

mod await_cost;
mod fork_join;
mod ping_pong;
mod spawn_join;
mod yield_storm;

use crate::work::Group;

pub(crate) fn groups() -> Vec<Group> {
    vec![Group {
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
    }]
}
