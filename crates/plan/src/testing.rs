//! Tests of deploys: given these facts, this deploy plans these steps. No host, no network, no database.
//!
//! A test is a Starlark function. `testing.plan` evaluates a deploy for a host that the test makes up,
//! with facts that the test gives; `expect` compares. The facts are given as a state of the host
//! ([`given::Given`]), from which each question is answered as the host's own sh functions would.

mod expect;
mod given;
mod given_facts;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod given_values;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod host;
mod missing;
mod patterns;
mod planned;
#[expect(unsafe_code, reason = "the derive of ProvidesStaticType writes it")]
mod session;

use lang::{Deploy, Extension, Scope, Test};
use model::{Code, Problem};
use starlark::environment::GlobalsBuilder;

pub use given_facts::{GivenFacts, any_secret, digest_with_names};
use session::TestSession;

/// The files of the workspace that deploys name.
#[derive(Clone, Copy)]
pub struct TestFiles<'a> {
    /// Reads a file (`lang::read_asset`).
    pub assets: &'a (dyn Fn(&str) -> Result<Vec<u8>, String> + Sync),
    /// Lists the files below a folder (`lang::list_assets`).
    pub folders: &'a (dyn Fn(&str) -> Result<Vec<String>, String> + Sync),
}

/// Why a test failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong and where.
    pub problem: Problem,
    /// What was compared, where it was a comparison.
    pub mismatch: Option<Mismatch>,
}

/// Two values that are not the same, as Starlark writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// Returns the functions that this room adds to the language of tests: `testing` and `expect`.
pub fn extension() -> Extension {
    Extension { name: "testing", scope: Scope::Tests, register }
}

fn register(builder: &mut GlobalsBuilder) {
    builder.namespace("testing", |builder| {
        host::register(builder);
        planned::register(builder);
        given_values::register(builder);
        given_values::register_rest(builder);
    });
    builder.namespace("expect", expect::register);
}

/// Runs a test.
///
/// # Errors
/// Why it failed.
pub fn run_test(test: &Test, deploys: &[Deploy], files: TestFiles<'_>) -> Result<(), Box<Failure>> {
    let result = lang::on_evaluation_thread(|| {
        let session = TestSession::new(deploys, files);
        test.call(&session).map_err(|problem| {
            let mismatch = session.take_mismatch();
            Box::new(Failure { problem, mismatch })
        })
    });
    result.unwrap_or_else(|why| {
        let problem = Problem::new(Code::StarlarkError, test.place.clone(), why);
        Err(Box::new(Failure { problem, mismatch: None }))
    })
}

#[cfg(test)]
mod tests;
