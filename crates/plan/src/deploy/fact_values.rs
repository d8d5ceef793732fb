//! The namespace `facts`: read-only questions to the host that a deploy is evaluated for.
//!
//! What a function returns may not be known yet. It can be passed on; looking at one of its attributes
//! stops the code until the host was asked.

mod functions;

use std::fmt;

use allocative::Allocative;
use model::{Code, OsRelease};
use starlark::any::ProvidesStaticType;
use starlark::environment::{Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::{Heap, NoSerialize, StarlarkPagablePanic, StarlarkValue, Value, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

pub(crate) use functions::facts_namespace;

use super::result::not_known;
use super::session::Session;
use crate::facts::{FactAnswer, Question};
use crate::sh;

/// What a host said, if it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Allocative)]
enum Told {
    NotYet,
    Absent,
    Text(String),
    Failed(String),
}

impl Told {
    fn ask(eval: &Evaluator<'_, '_, '_>, question: &Question) -> starlark::Result<Self> {
        Ok(match Session::of(eval)?.ask(question) {
            None => Self::NotYet,
            Some(FactAnswer::Absent) => Self::Absent,
            Some(FactAnswer::Said(text)) => Self::Text(String::from_utf8_lossy(&text).into_owned()),
            Some(FactAnswer::Failed(_)) => Self::Failed(question.to_string()),
        })
    }

    /// Returns the text; `None` where there is no such thing.
    fn text(&self) -> starlark::Result<Option<&str>> {
        match self {
            Self::NotYet => Err(not_known()),
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Failed(question) => {
                let message = format!("the host could not answer `{question}`");
                Err(lang::fault(Code::CollectFactFailed, message, None))
            }
        }
    }

    fn words(&self) -> starlark::Result<Vec<&str>> {
        Ok(self.text()?.unwrap_or_default().split_whitespace().collect())
    }

    /// Returns what follows a word in its line.
    fn line(&self, word: &str) -> starlark::Result<Option<&str>> {
        let text = self.text()?.unwrap_or_default();
        Ok(text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')))
    }
}

fn optional<'v>(text: Option<&str>, heap: Heap<'v>) -> Value<'v> {
    text.map_or_else(Value::new_none, |text| heap.alloc(text))
}

/// Makes a Starlark value of one answer.
macro_rules! fact_value {
    ($(#[$doc:meta])* $name:ident, $type:literal, $methods:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
        pub(crate) struct $name(Told);

        starlark_simple_value!($name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($type)
            }
        }

        #[starlark_value(type = $type)]
        impl<'v> StarlarkValue<'v> for $name {
            fn get_methods() -> Option<&'static Methods> {
                static METHODS: MethodsStatic = MethodsStatic::new($type, $methods);
                Some(METHODS.methods())
            }
        }
    };
}

fact_value!(
    /// An operating system.
    OsValue, "Os", os_methods
);
fact_value!(
    /// A path.
    FileValue, "File", file_methods
);
fact_value!(
    /// What a command printed.
    CommandValue, "Command", command_methods
);
fact_value!(
    /// One line of text.
    TextValue, "Text", text_methods
);
fact_value!(
    /// A package.
    PackageValue, "Package", package_methods
);
fact_value!(
    /// A service of the host's manager.
    ServiceFact, "ServiceState", service_methods
);
fact_value!(
    /// An account.
    UserValue, "User", user_methods
);

impl OsValue {
    /// Makes the value of what is known from elsewhere; where nothing is, only the current host can be asked.
    pub(crate) fn new(os: Option<&OsRelease>, can_be_asked: bool) -> Self {
        Self(match os {
            Some(os) => Told::Text(format!("ID={}\nVERSION_ID={}", os.id, os.version)),
            None if can_be_asked => Told::NotYet,
            None => Told::Failed("os of another host that was not scanned".to_owned()),
        })
    }

    fn value(&self, key: &str) -> starlark::Result<String> {
        let text = self.0.text()?.unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        Ok(value.unwrap_or_default().trim_matches(['"', '\'']).to_owned())
    }
}

/// Reads what a host said of its operating system.
pub(crate) fn os_release(text: &[u8]) -> OsRelease {
    let os = OsValue(Told::Text(String::from_utf8_lossy(text).into_owned()));
    let value = |key: &str| os.value(key).unwrap_or_default();
    OsRelease { id: value("ID"), version: value("VERSION_ID"), codename: None, pretty_name: String::new() }
}

/// Returns the question for the operating system.
pub(crate) fn os_question() -> Question {
    Question::new::<String>(&sh::OS_RELEASE, [])
}

#[starlark_module]
fn os_methods(builder: &mut MethodsBuilder) {
    /// `alpine`, `debian`, `freebsd`: os-release(5)'s ID.
    #[starlark(attribute)]
    fn id(this: &OsValue) -> starlark::Result<String> {
        this.value("ID")
    }

    /// `3.20.3`, `12`, `14.1-RELEASE-p5`: os-release(5)'s VERSION_ID.
    #[starlark(attribute)]
    fn version(this: &OsValue) -> starlark::Result<String> {
        this.value("VERSION_ID")
    }
}

impl FileValue {
    fn word(&self, at: usize) -> starlark::Result<Option<&str>> {
        Ok(self.0.words()?.get(at).copied())
    }

    fn is(&self, kind: &str) -> starlark::Result<bool> {
        Ok(self.word(0)? == Some(kind))
    }
}

#[starlark_module]
fn file_methods(builder: &mut MethodsBuilder) {
    /// Whether anything is there.
    #[starlark(attribute)]
    fn exists(this: &FileValue) -> starlark::Result<bool> {
        Ok(!this.is("absent")?)
    }

    /// Whether it is a plain file.
    #[starlark(attribute)]
    fn is_file(this: &FileValue) -> starlark::Result<bool> {
        this.is("file")
    }

    /// Whether it is a directory.
    #[starlark(attribute)]
    fn is_directory(this: &FileValue) -> starlark::Result<bool> {
        this.is("directory")
    }

    /// Whether it is a symbolic link.
    #[starlark(attribute)]
    fn is_link(this: &FileValue) -> starlark::Result<bool> {
        this.is("link")
    }

    /// Its mode, four octal digits; None where there is none.
    #[starlark(attribute)]
    fn mode<'v>(this: &FileValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(optional(this.word(1)?, heap))
    }

    /// Its owner.
    #[starlark(attribute)]
    fn user<'v>(this: &FileValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(optional(this.word(2)?, heap))
    }

    /// Its group.
    #[starlark(attribute)]
    fn group<'v>(this: &FileValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(optional(this.word(3)?, heap))
    }

    /// The SHA-256 of a plain file, in hexadecimal; None of anything else.
    #[starlark(attribute)]
    fn sha256<'v>(this: &FileValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        let digest = if this.is("file")? { this.word(4)? } else { None };
        Ok(optional(digest, heap))
    }
}

#[starlark_module]
fn command_methods(builder: &mut MethodsBuilder) {
    /// Its exit status.
    #[starlark(attribute)]
    fn status(this: &CommandValue) -> starlark::Result<i32> {
        let first = this.0.text()?.unwrap_or_default().lines().next().unwrap_or_default();
        Ok(first.parse().unwrap_or(-1))
    }

    /// What it printed on standard output, without final newlines; at most 64 KiB.
    #[starlark(attribute)]
    fn stdout(this: &CommandValue) -> starlark::Result<String> {
        let text = this.0.text()?.unwrap_or_default();
        Ok(text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default())
    }
}

#[starlark_module]
fn text_methods(builder: &mut MethodsBuilder) {
    /// The text; None where the host has no such thing.
    #[starlark(attribute)]
    fn text<'v>(this: &TextValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        let text = this.0.text()?.filter(|text| *text != "absent");
        Ok(optional(text.map(|text| text.strip_prefix("runs ").unwrap_or(text)), heap))
    }
}

#[starlark_module]
fn package_methods(builder: &mut MethodsBuilder) {
    /// Whether it is installed.
    #[starlark(attribute)]
    fn installed(this: &PackageValue) -> starlark::Result<bool> {
        Ok(this.0.words()?.get(1).is_some_and(|version| *version != "absent"))
    }

    /// Its version; None where it is not installed.
    #[starlark(attribute)]
    fn version<'v>(this: &PackageValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(optional(this.0.words()?.get(1).copied().filter(|version| *version != "absent"), heap))
    }
}

#[starlark_module]
fn service_methods(builder: &mut MethodsBuilder) {
    /// Whether the host has it.
    #[starlark(attribute)]
    fn exists(this: &ServiceFact) -> starlark::Result<bool> {
        Ok(!this.0.words()?.contains(&"absent"))
    }

    /// Whether it runs.
    #[starlark(attribute)]
    fn running(this: &ServiceFact) -> starlark::Result<bool> {
        Ok(this.0.words()?.contains(&"running"))
    }

    /// Whether it is started at boot.
    #[starlark(attribute)]
    fn enabled(this: &ServiceFact) -> starlark::Result<bool> {
        Ok(this.0.words()?.contains(&"enabled"))
    }
}

#[starlark_module]
fn user_methods(builder: &mut MethodsBuilder) {
    /// Whether there is such an account.
    #[starlark(attribute)]
    fn exists(this: &UserValue) -> starlark::Result<bool> {
        Ok(this.0.words()?.first() == Some(&"user"))
    }

    /// Its number, as text; None where there is none.
    #[starlark(attribute)]
    fn uid<'v>(this: &UserValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(optional(this.0.line("uid")?, heap))
    }

    /// Its home directory.
    #[starlark(attribute)]
    fn home<'v>(this: &UserValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(optional(this.0.line("home")?, heap))
    }

    /// Its login shell.
    #[starlark(attribute)]
    fn shell<'v>(this: &UserValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(optional(this.0.line("shell")?, heap))
    }
}
