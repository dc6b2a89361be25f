//! The protocols from the outside: a real runtime over a mock engine, real sockets, real clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod admin;
mod bad_input;
mod grpc;
mod grpc_services;
mod harness;
mod limits;
mod metrics;
mod rest;
mod rest_binary;
mod rest_resources;
mod shutdown;
