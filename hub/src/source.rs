//! Finds and downloads packages.
