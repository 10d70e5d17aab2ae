//! What tests of the outside world stand on.

pub mod docker;
