//! async-scope
