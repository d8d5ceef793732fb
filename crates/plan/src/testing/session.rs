//! What the functions of tests find in `Evaluator::extra`.

use std::cell::RefCell;

use lang::Deploy;
use model::Code;
use starlark::any::ProvidesStaticType;
use starlark::eval::Evaluator;

use super::{Mismatch, TestFiles};

/// A test that runs.
#[derive(ProvidesStaticType)]
pub(super) struct TestSession<'a> {
    /// The deploys of the workspace.
    pub deploys: &'a [Deploy],
    /// The files of the workspace.
    pub files: TestFiles<'a>,
    mismatch: RefCell<Option<Mismatch>>,
}

impl<'a> TestSession<'a> {
    /// Begins a test.
    pub fn new(deploys: &'a [Deploy], files: TestFiles<'a>) -> Self {
        Self { deploys, files, mismatch: RefCell::new(None) }
    }

    /// Finds the session of the code that runs.
    ///
    /// # Errors
    /// There is none: the code runs while its file is loaded.
    pub fn of<'e>(eval: &Evaluator<'_, 'e, 'a>) -> starlark::Result<&'e Self> {
        eval.extra.and_then(|extra| extra.downcast_ref::<TestSession<'a>>()).ok_or_else(|| {
            let why = "`testing` and `expect` are only possible within `def test_...()`";
            lang::fault(Code::StarlarkError, why, None)
        })
    }

    /// Notes what was compared.
    pub fn note(&self, mismatch: Option<Mismatch>) {
        *self.mismatch.borrow_mut() = mismatch;
    }

    /// Returns what was compared last, where it was not the same.
    pub fn take_mismatch(&self) -> Option<Mismatch> {
        self.mismatch.borrow_mut().take()
    }
}
