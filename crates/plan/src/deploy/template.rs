//! `files.template`: minijinja in its strict mode. A secret is a token while the template is rendered,
//! and becomes a piece of the content afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value as Rendered};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use model::{Content, ContentPiece, DataValue, SecretVersion};
use starlark::values::UnpackValue;
use starlark::values::Value;
use starlark::values::dict::DictRef;
use starlark::values::list_or_tuple::UnpackListOrTuple;

use super::host_value::HostValue;
use super::secret::secret_of;

/// The largest text that a template may become, in bytes.
const RENDERED_BYTES_MAX: usize = 4 << 20;
/// The instructions that rendering may take.
const FUEL_MAX: u64 = 5_000_000;
/// How deep an argument may nest.
const DEPTH_MAX: usize = 16;
/// What stands around the number of a secret while a template is rendered. A template must not hold it.
const OPEN: char = '\u{E1F0}';
const CLOSE: char = '\u{E1F1}';

/// A secret within a template: only its token is ever text.
#[derive(Debug)]
struct Token(usize);

impl Object for Token {
    /// No list and no map: filters that look inside fail.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPEN}{}{CLOSE}", self.0)
    }
}

/// Renders a template with arguments of Starlark.
///
/// # Errors
/// Where it is wrong and why; or that a secret was changed by a filter.
pub(crate) fn render(source: &str, name: &str, arguments: &[(String, Value<'_>)]) -> Result<Content, String> {
    if source.contains([OPEN, CLOSE]) {
        return Err(format!("{name} holds a character of the private use area that is not possible here"));
    }
    let mut secrets = Vec::new();
    let mut context = BTreeMap::new();
    for (key, value) in arguments {
        context
            .insert(key.as_str(), argument(*value, &mut secrets, 0).map_err(|why| format!("{key}: {why}"))?);
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL_MAX));
    let text = environment.render_named_str(name, source, context).map_err(|error| told(name, &error))?;
    if text.len() > RENDERED_BYTES_MAX {
        return Err(format!("{name} becomes larger than {RENDERED_BYTES_MAX} bytes"));
    }
    split(&text, &secrets).ok_or_else(|| format!("{name}: a filter changes a secret, which is not possible"))
}

fn told(name: &str, error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let kind = match error.kind() {
        ErrorKind::UndefinedError => "a name is not defined".to_owned(),
        kind => kind.to_string(),
    };
    format!("{name}{line}: {kind}{detail}")
}

fn argument(value: Value<'_>, secrets: &mut Vec<SecretVersion>, depth: usize) -> Result<Rendered, String> {
    if depth > DEPTH_MAX {
        return Err(format!("it nests deeper than {DEPTH_MAX} levels"));
    }
    if let Some(secret) = secret_of(value) {
        secrets.push(secret.version());
        return Ok(Rendered::from_object(Token(secrets.len() - 1)));
    }
    if let Some(host) = HostValue::from_value(value) {
        return Ok(from_data(&host.data()));
    }
    if let Some(map) = DictRef::from_value(value) {
        let pairs: Result<Vec<(Rendered, Rendered)>, String> = map
            .iter()
            .map(|(key, value)| {
                let key = key.unpack_str().ok_or("expected strings as keys")?;
                Ok((Rendered::from(key), argument(value, secrets, depth + 1)?))
            })
            .collect();
        return Ok(pairs?.into_iter().collect());
    }
    if let Ok(Some(list)) = UnpackListOrTuple::<Value<'_>>::unpack_value(value) {
        let items: Result<Vec<Rendered>, String> =
            list.items.into_iter().map(|value| argument(value, secrets, depth + 1)).collect();
        return Ok(Rendered::from(items?));
    }
    lang::data_value(value).map(|data| from_data(&data))
}

fn from_data(data: &DataValue) -> Rendered {
    match data {
        DataValue::None => Rendered::from(()),
        DataValue::Bool(value) => Rendered::from(*value),
        DataValue::Int(value) => Rendered::from(*value),
        DataValue::Text(value) => Rendered::from(value.as_str()),
        DataValue::List(values) => Rendered::from(values.iter().map(from_data).collect::<Vec<_>>()),
        DataValue::Map(values) => {
            values.iter().map(|(key, value)| (Rendered::from(key.as_str()), from_data(value))).collect()
        }
    }
}

/// Puts the secrets in the places of their tokens.
fn split(text: &str, secrets: &[SecretVersion]) -> Option<Content> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (number, tail) = after.split_once(CLOSE)?;
        if before.contains(CLOSE) {
            return None;
        }
        if !before.is_empty() {
            pieces.push(ContentPiece::Plain(before.as_bytes().to_vec()));
        }
        pieces.push(ContentPiece::Secret(secrets.get(number.parse::<usize>().ok()?)?.clone()));
        rest = tail;
    }
    if rest.contains(CLOSE) {
        return None;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(ContentPiece::Plain(rest.as_bytes().to_vec()));
    }
    Some(Content(pieces))
}
