//! The end-to-end tests: one process, so that all share the started peers.

mod activation;
mod admin;
mod admission;
mod audit;
mod charts;
mod cli;
mod cosign;
mod ecr;
mod elsewhere;
mod fast;
mod faults;
mod features;
mod fleet;
mod full_disk;
mod identity;
mod interval;
mod kills;
mod lifecycle;
mod packages;
mod peers;
mod permissions;
mod reload;
mod sources;
mod specs;
mod support;
mod tenancy;
