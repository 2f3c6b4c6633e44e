//! async-combinators
