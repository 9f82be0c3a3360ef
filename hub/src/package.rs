//! Reads packages made by `pyflyte package` and plans their registration. Pure.
