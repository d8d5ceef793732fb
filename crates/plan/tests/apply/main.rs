//! Scripts run in real shells, in a folder of their own, and what is read of them.

mod crash;
mod host;
mod reader;
mod secrets;
mod steps;
