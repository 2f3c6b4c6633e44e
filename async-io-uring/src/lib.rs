//! async-io-uring
