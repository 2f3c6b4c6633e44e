//! combinators
#![no_std]
#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod join;
mod race;
mod race_ok;
mod select;
mod stream;
mod try_join;
mod utils;
mod wait_until;

pub use join::{Join, join};
pub use race::{Race, race};
pub use race_ok::{RaceOk, race_ok};
pub use select::{
    OneOf2, OneOf3, OneOf4, OneOf5, OneOf6, OneOf7, OneOf8, OneOf9, OneOf10, OneOf11, OneOf12, Select, Selected, select,
};
#[cfg(feature = "alloc")]
pub use stream::{Group, Key, NextDone};
pub use stream::{Merge, UntilEnd, Zip, merge, until_end, zip};
pub use try_join::{TryJoin, try_join};
pub use wait_until::{WaitUntil, wait_until};
