//! A host's state as a file says it, for debugging a deploy without its host.

use std::path::Path;

use lang::{Deploy, Extension};
use model::{Content, Problem, SecretVersion};
use sha2::{Digest, Sha256};
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::{UnpackValue, Value};

use super::given::{Given, answer};
use super::given_values::GivenValue;
use super::planned::{missing_problem, revealed};
use crate::deploy::{Evaluated, FACT_PASSES_MAX, HostView, evaluate};
use crate::facts::Facts;

/// What a file says of a host: a list of `testing.file(...)` and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenFacts {
    given: Vec<Given>,
    path: String,
    name: String,
}

impl GivenFacts {
    /// Reads the constant `name` of a file of tests, whose path starts at the root.
    ///
    /// # Errors
    /// Every problem of the file, or that there is no such list in it.
    pub fn read(
        root: &Path,
        extensions: &[Extension],
        (path, name): (&str, &str),
    ) -> Result<Self, Vec<Problem>> {
        let read = |value: Value<'_>| {
            let wrong =
                || format!("expected a list of facts (`testing.file(...)`), got {}", value.get_type());
            match UnpackListOrTuple::<&GivenValue>::unpack_value(value) {
                Ok(Some(list)) => Ok(list.items.into_iter().map(|it| it.given.clone()).collect()),
                Ok(None) | Err(_) => Err(wrong()),
            }
        };
        let given = lang::load_constant(root, extensions, (path, name), read)?;
        Ok(Self { given, path: path.to_owned(), name: name.to_owned() })
    }

    /// Evaluates a deploy until all that it asks is answered, or it fails; returns the answers.
    ///
    /// # Errors
    /// What it asks and the file does not say, as lines to add.
    pub fn gather(&self, deploy: &Deploy, view: &HostView<'_>) -> Result<Facts, Problem> {
        let given: Vec<&Given> = self.given.iter().collect();
        let mut facts = Facts::default();
        for _ in 0..=FACT_PASSES_MAX {
            let Ok(Evaluated::Needs(requests)) = evaluate(deploy, view, &facts) else { return Ok(facts) };
            let mut absent = Vec::new();
            for question in requests.questions() {
                match answer(&given, question) {
                    Ok(answer) => facts.insert(question.clone(), answer),
                    Err(lines) => absent.extend(lines.into_iter().map(known_os)),
                }
            }
            if !absent.is_empty() {
                return Err(missing_problem(absent, &self.path, &self.name));
            }
        }
        Err(missing_problem(Vec::new(), &self.path, &self.name))
    }
}

/// A test says what its host runs where it makes it up; here the host is a real one.
fn known_os(line: String) -> String {
    match line.starts_with("testing.host(") {
        true => "testing.answer(\"os_release\", says = \"ID=alpine\\nVERSION_ID=3.20.3\"),".to_owned(),
        false => line,
    }
}

/// Names a secret where there is no real one: every secret exists.
///
/// # Errors
/// None; the type is that of [`HostView::secrets`].
pub fn any_secret(name: &str) -> Result<SecretVersion, String> {
    Ok(SecretVersion { name: name.to_owned(), version: "1".to_owned() })
}

/// Returns the digest of content in which a secret is `<secret NAME>`.
pub fn digest_with_names(content: &Content) -> Option<[u8; 32]> {
    Some(Sha256::digest(revealed(content)).into())
}
