//! Arguments of one call, read leniently: a bad one becomes a problem, the next one is still read.

use std::ops::RangeInclusive;

use model::{Address, Code, HostKey, InvalidName, Place, Problem, PublicKey, UserName};
use starlark::eval::Evaluator;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::{UnpackValue, Value};

use crate::data::is_unknown;
use crate::diagnostic::{cut, is_ours, outermost, spot};
use crate::inventory::Session;
use crate::inventory::form::{host_key, is_address, is_user};
use crate::limits::{ARGUMENTS_BYTES_MAX, ARGUMENTS_MAX, LIST_ITEMS_MAX, TITLE_BYTES_MAX};

/// One call of a declaring function: where it is and what is wrong with it.
pub(crate) struct Call {
    place: Place,
    hint: Option<String>,
    problems: Vec<Problem>,
    /// Whether an argument is data that was not asked for.
    has_unknown: bool,
    /// Whether some data was not asked for, so that a list may lack elements.
    is_partial: bool,
}

impl Call {
    /// Begins to read the arguments of the native function that is being called.
    pub fn new(eval: &Evaluator<'_, '_, '_>) -> Self {
        let nowhere = Place::File { path: String::new() };
        // A call that `map` or `partial` makes has no place of its own: theirs is taken.
        let mut spans = (0..eval.call_stack_count()).filter_map(|nth| eval.call_stack_nth_location(nth));
        let span = spans.find(is_ours);
        let place = span.map_or(nowhere, |span| spot(&span));
        let is_partial = Session::of(eval).is_ok_and(|session| session.door.has_skipped());
        Self { place, hint: None, problems: Vec::new(), has_unknown: false, is_partial }
    }

    /// Returns the place of the call.
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    /// Says whether every argument so far was good.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty() && !self.has_unknown
    }

    /// Adds the outer call to the problems, if there are any and there is one.
    pub fn name_caller(&mut self, eval: &Evaluator<'_, '_, '_>) {
        if !self.problems.is_empty() {
            self.hint = outermost(&eval.call_stack().frames, &self.place);
        }
    }

    /// Returns the problems.
    pub fn into_problems(self) -> Vec<Problem> {
        let Self { hint, problems, .. } = self;
        let with_hint = |problem: Problem| match (&problem.hint, &hint) {
            (Some(own), Some(hint)) => {
                let both = format!("{own}; {hint}");
                problem.with_hint(both)
            }
            (None, Some(hint)) => problem.with_hint(hint.clone()),
            _ => problem,
        };
        problems.into_iter().map(with_hint).collect()
    }

    /// Records that a list is empty where it must not be; with partial data it may be.
    pub fn empty(&mut self, message: &str) {
        if self.is_partial {
            self.has_unknown = true;
        } else {
            self.problem(message.to_owned());
        }
    }

    /// Records a bad argument; one that is not known is not bad, but the declaration is not made.
    pub fn bad(&mut self, argument: &str, expected: &str, given: Value<'_>) {
        if is_unknown(given) {
            self.has_unknown = true;
            return;
        }
        self.problem(format!("expected {argument} to be {expected}, got {}", describe(given)));
    }

    /// Records a problem of the arguments.
    pub fn problem(&mut self, message: String) {
        self.problems.push(Problem::new(Code::InventoryBadArgument, self.place.clone(), message));
    }

    /// Records a problem of the arguments and what may be meant.
    pub fn problem_with_hint(&mut self, message: String, hint: String) {
        let problem = Problem::new(Code::InventoryBadArgument, self.place.clone(), message);
        self.problems.push(problem.with_hint(hint));
    }

    /// Reads a reference to another declaration: its name, or a value that `name_of` knows. The name is
    /// not looked up yet.
    pub fn reference<'v>(
        &mut self,
        argument: &str,
        expected: &str,
        value: Value<'v>,
        name_of: fn(Value<'v>) -> Option<&'v str>,
    ) -> Option<String> {
        let name = value.unpack_str().or_else(|| name_of(value));
        if name.is_none() {
            self.bad(argument, expected, value);
        }
        name.map(str::to_owned)
    }

    /// Reads one line of text for people.
    pub fn line(&mut self, argument: &str, value: Option<Value<'_>>) -> Option<String> {
        let is_line = |text: &str| {
            !text.trim().is_empty() && text.len() <= TITLE_BYTES_MAX && !text.contains(char::is_control)
        };
        self.text(argument, "a line of text (at most 200 bytes)", value, is_line)
    }

    /// Reads a name; `name` is empty where it is no string.
    pub fn name<N>(&mut self, value: Value<'_>, new: fn(&str) -> Result<N, InvalidName>) -> Option<N> {
        let Some(text) = value.unpack_str() else {
            self.bad("name", "a string", value);
            return None;
        };
        match new(text) {
            Ok(name) => Some(name),
            Err(InvalidName { why, .. }) => {
                self.problem(format!("expected a valid name, got {}: {why}", describe(value)));
                None
            }
        }
    }

    /// Reads a string that `is_valid`; nothing and `None` are no string.
    pub fn text(
        &mut self,
        argument: &str,
        expected: &str,
        value: Option<Value<'_>>,
        is_valid: fn(&str) -> bool,
    ) -> Option<String> {
        let value = value.filter(|value| !value.is_none())?;
        match value.unpack_str() {
            Some(text) if is_valid(text) => Some(text.to_owned()),
            _ => {
                self.bad(argument, expected, value);
                None
            }
        }
    }

    /// Reads a TCP or UDP port.
    pub fn port(&mut self, value: Option<Value<'_>>) -> Option<u16> {
        self.number("port", "a whole number 1-65535", value, 1..=u16::MAX)
    }

    /// Reads a whole number of a range.
    pub fn number(
        &mut self,
        argument: &str,
        expected: &str,
        value: Option<Value<'_>>,
        range: RangeInclusive<u16>,
    ) -> Option<u16> {
        let value = value.filter(|value| !value.is_none())?;
        let number = value.unpack_i32().and_then(|number| u16::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.bad(argument, expected, value);
        }
        number
    }

    /// Reads `True` or `False`.
    pub fn flag(&mut self, argument: &str, value: Option<Value<'_>>) -> bool {
        let Some(value) = value.filter(|value| !value.is_none()) else { return false };
        value.unpack_bool().unwrap_or_else(|| {
            self.bad(argument, "True or False", value);
            false
        })
    }

    /// Reads a list (or tuple) of what `read` understands; `read` reports what it does not.
    pub fn list<'v, T>(
        &mut self,
        argument: &str,
        expected: &str,
        value: Option<Value<'v>>,
        mut read: impl FnMut(&mut Self, Value<'v>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = value.filter(|value| !value.is_none()) else { return Vec::new() };
        let Ok(Some(list)) = UnpackListOrTuple::<Value<'v>>::unpack_value(value) else {
            self.bad(argument, expected, value);
            return Vec::new();
        };
        if list.items.len() > LIST_ITEMS_MAX {
            let count = list.items.len();
            self.problem(format!("expected at most {LIST_ITEMS_MAX} elements in {argument}, got {count}"));
            return Vec::new();
        }
        list.items.into_iter().filter_map(|item| read(self, item)).collect()
    }

    /// Reads a command: a list of words, the program first.
    pub fn command(&mut self, argument: &str, value: Value<'_>) -> Option<Vec<String>> {
        let expected = "a list of strings, the program first: [\"/usr/bin/x\", \"--version\"]";
        let has_problems = self.problems.len();
        let words = self.list(argument, expected, Some(value), |call, value| {
            let word = value.unpack_str().filter(|word| !word.contains('\0'));
            if word.is_none() {
                call.bad(argument, "a list of strings without NUL", value);
            }
            word.map(str::to_owned)
        });
        if self.problems.len() > has_problems || self.has_unknown {
            return None;
        }
        let bytes: usize = words.iter().map(String::len).sum();
        if words.first().is_none_or(String::is_empty) {
            self.problem(format!("expected {argument} to name a program, got none"));
            return None;
        }
        if words.len() > ARGUMENTS_MAX || bytes > ARGUMENTS_BYTES_MAX {
            self.problem(format!(
                "expected {argument} of at most {ARGUMENTS_MAX} words and {ARGUMENTS_BYTES_MAX} bytes, got {} and {bytes}",
                words.len()
            ));
            return None;
        }
        Some(words)
    }

    /// Reads an address.
    pub fn address(&mut self, value: Option<Value<'_>>) -> Option<Address> {
        let expected = "a DNS name, an IPv4 or an IPv6 address";
        self.text("address", expected, value, is_address).map(Address::new)
    }

    /// Reads a login name.
    pub fn user(&mut self, value: Option<Value<'_>>) -> Option<UserName> {
        let expected = "a login name (a-z, 0-9, `_`, `.`, `-`, at most 32 characters, a letter or `_` first)";
        self.text("user", expected, value, is_user).map(UserName::new)
    }

    /// Reads a public host key.
    pub fn host_key(&mut self, value: Value<'_>) -> Option<HostKey> {
        let key = value.unpack_str().and_then(host_key);
        if key.is_none() {
            let expected = "public keys in OpenSSH's form (`ssh-ed25519 AAAA...`, as in known_hosts)";
            self.bad("host_keys", expected, value);
        }
        key.map(HostKey::new)
    }

    /// Reads a person's public key.
    pub fn person_key(&mut self, value: Value<'_>) -> Option<PublicKey> {
        let key = value.unpack_str().and_then(host_key);
        if key.is_none() {
            let expected =
                "public keys in OpenSSH's form (`ssh-ed25519 AAAA...`, as in ~/.ssh/id_ed25519.pub)";
            self.bad("keys", expected, value);
        }
        key.map(PublicKey::new)
    }
}

/// Says what a value is, short: `string "22"`, `int 70000`, `list`.
pub(crate) fn describe(value: Value<'_>) -> String {
    match (value.get_type(), value.unpack_str()) {
        (_, Some(text)) => format!("string \"{}\"", cut(text).escape_debug()),
        ("NoneType", _) => "None".to_owned(),
        (kind @ ("int" | "float" | "bool"), _) => format!("{kind} {}", cut(&value.to_repr())),
        (kind, _) => kind.to_owned(),
    }
}
