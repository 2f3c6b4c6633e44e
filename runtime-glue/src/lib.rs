//! runtime-glue
