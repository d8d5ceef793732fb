//! `expect`: what tests compare with.

use model::Code;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneType;

use super::Mismatch;
use super::session::TestSession;

/// How much of a value is shown, in characters.
const SHOWN_CHARS_MAX: usize = 4_000;

fn shown(value: Value<'_>) -> String {
    let text = value.to_repr();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn differs(eval: &Evaluator<'_, '_, '_>, expected: String, got: String) -> starlark::Error {
    let why = format!("expected {expected}, got {got}");
    match TestSession::of(eval) {
        Ok(session) => {
            session.note(Some(Mismatch { expected, got }));
            lang::fault(Code::TestFailed, why, None)
        }
        Err(error) => error,
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Fails unless two values are the same.
    ///
    /// ```python
    /// expect.eq(plan.changes, ["files.put /etc/motd"])
    /// ```
    ///
    /// # Arguments
    /// * `got`: what came
    /// * `expected`: what should have come
    fn eq<'v>(
        #[starlark(require = pos)] got: Value<'v>,
        #[starlark(require = pos)] expected: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        TestSession::of(eval)?;
        if got.equals(expected)? {
            return Ok(NoneType);
        }
        Err(differs(eval, shown(expected), shown(got)))
    }

    /// Fails unless a value is true.
    ///
    /// # Arguments
    /// * `value`: the value
    /// * `why`: what it means that it is not
    fn that<'v>(
        #[starlark(require = pos)] value: Value<'v>,
        #[starlark(require = pos, default = "")] why: &'v str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        TestSession::of(eval)?;
        if value.to_bool() {
            return Ok(NoneType);
        }
        if why.is_empty() {
            return Err(differs(eval, "a true value".to_owned(), shown(value)));
        }
        Err(lang::fault(Code::TestFailed, why, None))
    }

    /// Fails unless something is in a text, a list or a dictionary.
    ///
    /// ```python
    /// expect.contains(testing.step(plan, "files.template /etc/haproxy.cfg").content, "bind :443")
    /// ```
    ///
    /// # Arguments
    /// * `container`: the text, list or dictionary
    /// * `item`: what should be in it
    fn contains<'v>(
        #[starlark(require = pos)] container: Value<'v>,
        #[starlark(require = pos)] item: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        TestSession::of(eval)?;
        if container.is_in(item)? {
            return Ok(NoneType);
        }
        Err(differs(eval, format!("something with {}", shown(item)), shown(container)))
    }

    /// Fails unless a function fails.
    ///
    /// ```python
    /// expect.fails(lambda: testing.plan("web", host = testing.host("web-1")), "there is no port")
    /// ```
    ///
    /// # Arguments
    /// * `function`: a function without arguments
    /// * `says`: a text that is part of what it fails with
    fn fails<'v>(
        #[starlark(require = pos)] function: Value<'v>,
        #[starlark(require = pos, default = "")] says: &'v str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        TestSession::of(eval)?;
        let message = match eval.eval_function(function, &[], &[]) {
            Ok(value) => {
                return Err(differs(eval, "a failure".to_owned(), shown(value)));
            }
            Err(error) => error.without_diagnostic().to_string(),
        };
        TestSession::of(eval)?.note(None);
        if message.contains(says) {
            return Ok(NoneType);
        }
        Err(differs(eval, format!("a failure that says {says:?}"), format!("{message:?}")))
    }
}
