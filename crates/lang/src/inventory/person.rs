//! `person()`.

use std::fmt;
use std::hash::Hash;

use allocative::Allocative;
use either::Either;
use model::{Email, PersonName, Role};
use starlark::any::ProvidesStaticType;
use starlark::collections::StarlarkHasher;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::list::UnpackList;
use starlark::values::none::NoneOr;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, StringValue, Value, ValueLike, ValueOfUnchecked,
    starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use crate::diagnostic::alike;
use crate::inventory::argument::{Call, describe};
use crate::inventory::form::is_dns_name;
use crate::inventory::session::{DeclaredPerson, Session};
use crate::limits::EMAIL_BYTES_MAX;

/// What `person()` returns.
#[derive(Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct PersonValue {
    name: String,
    email: String,
}

starlark_simple_value!(PersonValue);

/// A person as an argument: what `person()` returned, or a name.
pub(crate) type PersonRef<'v> = Either<&'v PersonValue, StringValue<'v>>;

impl fmt::Display for PersonValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "person(\"{}\")", self.name.escape_debug())
    }
}

#[starlark_value(type = "Person")]
impl<'v> StarlarkValue<'v> for PersonValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("person", methods);
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(PersonValue::from_value(other).is_some_and(|other| other.name == self.name))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.name.hash(hasher);
        Ok(())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// The person's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v PersonValue) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// Where to write to the person; empty where it is not declared.
    #[starlark(attribute)]
    fn email<'v>(this: &'v PersonValue) -> starlark::Result<&'v str> {
        Ok(&this.email)
    }
}

#[starlark_module]
#[starlark_types(PersonValue as Person)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares a person: who owns services, whose keys may approve, who may do what.
    ///
    /// ```python
    /// maria = person("maria", email = "maria@example.org", keys = ["ssh-ed25519 AAAA..."], access = ["admin"])
    /// person("jo", access = ["operator:acme", "viewer"])
    /// ```
    ///
    /// # Arguments
    /// * `name`: unique in the workspace; ASCII letters, digits, `.`, `_` and `-`
    /// * `email`: where to write to them
    /// * `keys`: their public SSH keys in OpenSSH's form
    /// * `access`: what they may do: `viewer`, `operator`, `approver` or `admin` for every client, or `operator:acme` for the client acme
    fn person<'v>(
        name: ValueOfUnchecked<'v, String>,
        #[starlark(require = named)] email: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        #[starlark(require = named)] keys: Option<ValueOfUnchecked<'v, UnpackList<String>>>,
        #[starlark(require = named)] access: Option<ValueOfUnchecked<'v, UnpackList<String>>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<PersonValue> {
        let mut call = Call::new(eval);
        let text = name.get().unpack_str().unwrap_or_default().to_owned();
        let name = call.name(name.get(), PersonName::new);
        let email = call.text("email", "an e-mail address", email.map(|it| it.get()), is_email);
        let expected = "a list of public keys in OpenSSH's form";
        let keys = call.list("keys", expected, keys.map(|it| it.get()), |call, key| call.person_key(key));
        let expected = "a list of roles such as \"viewer\" or \"operator:acme\"";
        let access = call.list("access", expected, access.map(|it| it.get()), |call, word| call.access(word));
        call.name_caller(eval);
        let value = PersonValue { name: text, email: email.clone().unwrap_or_default() };
        let (place, email) = (call.place(), email.map(Email::new));
        let declared =
            name.filter(|_| call.is_good()).map(|name| DeclaredPerson { name, email, keys, access, place });
        Session::add(eval, call, &value.name, declared, |all, person| all.people.push(person))?;
        Ok(value)
    }
}

impl Call {
    /// Reads the argument `owner`; the name is not looked up yet.
    pub fn owner(&mut self, value: Option<Value<'_>>) -> Option<String> {
        let value = value.filter(|value| !value.is_none())?;
        self.reference("owner", "a person or their name", value, |value| {
            value.downcast_ref::<PersonValue>().map(|person| person.name.as_str())
        })
    }

    /// Reads `role` or `role:client`; the client is not looked up yet.
    fn access(&mut self, value: Value<'_>) -> Option<(Role, Option<String>)> {
        let Some(text) = value.unpack_str() else {
            self.bad("access", "roles such as \"viewer\" or \"operator:acme\"", value);
            return None;
        };
        let (word, client) = text.split_once(':').map_or((text, None), |(word, client)| (word, Some(client)));
        let role = Role::parse(word);
        if role.is_none() {
            let words = Role::ALL.map(Role::as_str);
            let message =
                format!("expected access to be roles ({}), got {}", words.join(", "), describe(value));
            match alike(word, words.into_iter()) {
                Some(meant) => self.problem_with_hint(message, format!("did you mean `{meant}`?")),
                None => self.problem(message),
            }
        }
        Some((role?, client.map(str::to_owned)))
    }
}

/// `local@domain` with the characters that an address needs no quotes for (RFC 5321 §4.1.2).
fn is_email(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let is_local = |local: &str| {
        (1..=64).contains(&local.len()) && local.bytes().all(is_valid) && !local.split('.').any(str::is_empty)
    };
    text.len() <= EMAIL_BYTES_MAX
        && text.rsplit_once('@').is_some_and(|(local, domain)| is_local(local) && is_dns_name(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses() {
        for good in ["a@b", "maria.x+ops@example.org", "o'neil@mail.example.org"] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(65));
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b c", "a..b@c", ".a@b", "a@b@c", "<a@b>", "a@b\n", &long]
        {
            assert!(!is_email(bad), "{bad:?}");
        }
    }
}
