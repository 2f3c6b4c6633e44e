//! async-cancel
