//! Executes plans against FlyteAdmin.
