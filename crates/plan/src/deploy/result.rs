//! What an operation returns: a value that says whether its step changed something, to other steps.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use allocative::Allocative;
use model::{Change, Code, Condition, Step};
use starlark::any::ProvidesStaticType;
use starlark::environment::{Methods, MethodsBuilder, MethodsStatic};
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, UnpackValue, Value, starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

/// Whether code looked into something that it must not look into. The interpreter asks a value whether
/// it is true, or what its text is, in a way that cannot fail; so it is noted, and the code is stopped
/// before its next statement.
#[derive(Debug, Clone, Default, Allocative)]
pub(crate) struct Looked(Arc<AtomicU8>);

const UNKNOWN: u8 = 1;
const UNDECIDED: u8 = 2;
const SECRET: u8 = 3;

impl Looked {
    /// Notes that a secret was made text.
    pub(crate) fn at_secret(&self) {
        self.0.store(SECRET, Ordering::Relaxed);
    }

    /// Notes what was seen now, for [`Looked::restore`].
    pub(crate) fn now(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets what was seen since.
    pub(crate) fn restore(&self, seen: u8) {
        self.0.store(seen, Ordering::Relaxed);
    }

    /// Returns the error that stops the code, if it is to be stopped.
    pub(crate) fn stop(&self) -> Option<starlark::Error> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => Some(not_known()),
            UNDECIDED => Some(lang::fault(
                Code::PlanUndecided,
                "expected a decision that can be taken now, got `.changed` of a step that only its host decides",
                Some("give it to the steps that depend on it: `when = cfg.changed`".to_owned()),
            )),
            SECRET => Some(lang::fault(
                Code::PlanSecretShown,
                "expected a secret to stay in its value, got it as text",
                Some("give it as `content`, or to `files.template` as an argument".to_owned()),
            )),
            _ => None,
        }
    }
}

/// Makes the error of code that looks at what is not known yet.
pub(crate) fn not_known() -> starlark::Error {
    lang::fault(Code::PlanFactUnknown, "this is not known before the host is asked", None)
}

/// What an operation returns.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct StepValue {
    changed: ChangedValue,
}

/// Whether a step changed its host.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct ChangedValue {
    state: State,
    looked: Looked,
}

#[derive(Debug, Clone, PartialEq, Eq, Allocative)]
enum State {
    /// Facts are missing.
    Missing,
    /// There is no step.
    Never,
    /// The places of its steps among the drafts, and what is decided of each.
    Steps(Vec<(usize, Option<bool>)>),
}

impl StepValue {
    /// A step whose facts are not known.
    pub(crate) fn missing(looked: Looked) -> Self {
        Self { changed: ChangedValue { state: State::Missing, looked } }
    }

    /// A step that is not made.
    pub(crate) fn never(looked: Looked) -> Self {
        Self { changed: ChangedValue { state: State::Never, looked } }
    }

    /// A step.
    pub(crate) fn step(place: usize, step: &Step, looked: Looked) -> Self {
        let decided = match step.change {
            Change::None => Some(false),
            Change::Certain if step.condition == Condition::Always => Some(true),
            _ => None,
        };
        Self { changed: ChangedValue { state: State::Steps(vec![(place, decided)]), looked } }
    }

    /// What one call returns that makes the steps of both: it changed something if one of them did.
    pub(crate) fn and(self, other: Self) -> Self {
        let state = match (self.changed.state, other.changed.state) {
            (State::Missing, _) | (_, State::Missing) => State::Missing,
            (State::Never, other) | (other, State::Never) => other,
            (State::Steps(mut steps), State::Steps(more)) => {
                steps.extend(more);
                State::Steps(steps)
            }
        };
        Self { changed: ChangedValue { state, looked: self.changed.looked } }
    }
}

/// When a step runs, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    Never,
    /// When one of these drafts changed something.
    Changed(Vec<usize>),
    /// It depends on a step whose facts are missing.
    Missing,
}

impl When {
    /// Reads the argument `when`.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn read(value: Option<Value<'_>>) -> Result<Self, String> {
        let Some(value) = value.filter(|value| !value.is_none()) else { return Ok(Self::Always) };
        if let Some(decided) = value.unpack_bool() {
            return Ok(if decided { Self::Always } else { Self::Never });
        }
        let parts = match UnpackListOrTuple::<Value<'_>>::unpack_value(value) {
            Ok(Some(list)) => list.items,
            _ => vec![value],
        };
        let mut steps = Vec::new();
        let mut is_missing = false;
        for part in parts {
            let changed = ChangedValue::from_value(part)
                .or_else(|| StepValue::from_value(part).map(|value| &value.changed));
            match changed.map(|changed| &changed.state) {
                Some(State::Steps(more)) => steps.extend(more.iter().map(|(place, _)| *place)),
                Some(State::Missing) => is_missing = true,
                Some(State::Never) => {}
                None => {
                    let got = part.get_type();
                    return Err(format!(
                        "expected when to be `.changed` of steps, a list of them, True or False, got {got}"
                    ));
                }
            }
        }
        Ok(if is_missing { Self::Missing } else { Self::Changed(steps) })
    }
}

starlark_simple_value!(StepValue);
starlark_simple_value!(ChangedValue);

impl fmt::Display for StepValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("step")
    }
}

impl fmt::Display for ChangedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("changed")
    }
}

#[starlark_value(type = "Step")]
impl<'v> StarlarkValue<'v> for StepValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("step", methods);
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Whether the step changes its host: for the `when` of other steps.
    #[starlark(attribute)]
    fn changed(this: &StepValue) -> starlark::Result<ChangedValue> {
        Ok(this.changed.clone())
    }

    /// pyinfra's name for `changed`.
    #[starlark(attribute)]
    fn did_change(this: &StepValue) -> starlark::Result<ChangedValue> {
        Ok(this.changed.clone())
    }
}

#[starlark_value(type = "Changed")]
impl<'v> StarlarkValue<'v> for ChangedValue {
    fn to_bool(&self) -> bool {
        let steps = match &self.state {
            State::Never => return false,
            State::Missing => {
                self.looked.0.store(UNKNOWN, Ordering::Relaxed);
                return false;
            }
            State::Steps(steps) => steps,
        };
        if steps.iter().any(|(_, decided)| *decided == Some(true)) {
            return true;
        }
        if steps.iter().any(|(_, decided)| decided.is_none()) {
            self.looked.0.store(UNDECIDED, Ordering::Relaxed);
        }
        false
    }
}
