//! Plans applied to real sshd hosts that lose power, cable, breath or their controller at every step
//! boundary, and to hosts that are only played.
//!
//! The controller is a process of its own, in the fleet's network: the test `controller` below, which
//! the others start.

mod controller;
mod faults;
mod hosts;
mod local;
mod plans;
mod race;
mod waves;

/// Does nothing unless another test started it.
#[test]
#[ignore = "the other tests run it, as a process of its own"]
fn controller() {
    controller::main();
}
