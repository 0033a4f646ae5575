//! A Go program from a source package and a toolchain, both inputs like any other.
mod confine;
