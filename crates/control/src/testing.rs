//! Tests of deploys: `*_test.star`. No host, no network, no database.

use std::path::Path;

use lang::LoadOptions;
use model::{Place, Problem};

pub use plan::testing::{Failure, Mismatch};

use crate::workspace::extensions;

/// What came of the tests of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestReport {
    /// One for each test, in the order of files and in a file as they stand there.
    pub results: Vec<TestResult>,
    /// What is wrong with the files of the tests and of the deploys; the tests in them did not run.
    pub problems: Vec<Problem>,
}

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The function's name.
    pub name: String,
    /// The file's path from the root of the workspace.
    pub path: String,
    /// Where the function is defined.
    pub place: Place,
    /// Why it failed; `None` = it passed.
    pub failure: Option<Failure>,
}

/// Runs the tests in these files (paths from the root), or all where none is named.
pub fn run(root: &Path, only: &[String]) -> TestReport {
    let (tested, problems) = lang::load_tests(root, &extensions(), &LoadOptions::default());
    let assets = |path: &str| lang::read_asset(root, path);
    let folders = |path: &str| lang::list_assets(root, path);
    let files = plan::testing::TestFiles { assets: &assets, folders: &folders };
    let wanted = tested.tests.iter().filter(|test| only.is_empty() || only.contains(&test.path));
    let result = |test: &lang::Test| TestResult {
        name: test.name.clone(),
        path: test.path.clone(),
        place: test.place.clone(),
        failure: plan::testing::run_test(test, &tested.deploys, files).err().map(|failure| *failure),
    };
    TestReport { results: wanted.map(result).collect(), problems }
}

/// Returns what is wrong with the files of tests, without running any.
pub fn problems(root: &Path) -> Vec<Problem> {
    lang::load_tests(root, &extensions(), &LoadOptions::default()).1
}
