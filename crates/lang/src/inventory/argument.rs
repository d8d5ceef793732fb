//! Arguments of one call, read leniently: a bad one becomes a problem, the next one is still read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Address, Code, HostKey, InvalidName, Place, Problem, UserName};
use starlark::eval::Evaluator;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::{UnpackValue, Value};

use crate::diagnostic::{cut, is_ours, outermost, spot};
use crate::limits::{HOST_KEY_BYTES_MAX, LIST_ITEMS_MAX};

/// One call of a declaring function: where it is and what is wrong with it.
pub(crate) struct Call {
    place: Place,
    hint: Option<String>,
    problems: Vec<Problem>,
}

impl Call {
    /// Begins to read the arguments of the native function that is being called.
    pub fn new(eval: &Evaluator<'_, '_, '_>) -> Self {
        let nowhere = Place::File { path: String::new() };
        // A call that `map` or `partial` makes has no place of its own: theirs is taken.
        let mut spans = (0..eval.call_stack_count()).filter_map(|nth| eval.call_stack_nth_location(nth));
        let span = spans.find(is_ours);
        let place = span.map_or(nowhere, |span| spot(&span));
        Self { place, hint: None, problems: Vec::new() }
    }

    /// Returns the place of the call.
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    /// Says whether every argument so far was good.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
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

    /// Records a bad argument.
    pub fn bad(&mut self, argument: &str, expected: &str, given: Value<'_>) {
        self.problem(format!("expected {argument} to be {expected}, got {}", describe(given)));
    }

    /// Records a problem of the arguments.
    pub fn problem(&mut self, message: String) {
        self.problems.push(Problem::new(Code::InventoryBadArgument, self.place.clone(), message));
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
        let value = value.filter(|value| !value.is_none())?;
        let port = value.unpack_i32().and_then(|number| u16::try_from(number).ok());
        if port.is_none_or(|port| port == 0) {
            self.bad("port", "a whole number 1-65535", value);
            return None;
        }
        port
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

/// An IPv4 or IPv6 address (with zone, RFC 4007 §11) or a DNS name (RFC 1123 §2.1, plus `_`). It is
/// handed to a connector, so nothing that could be an option or a second word may pass.
pub(crate) fn is_address(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (1..=15).contains(&zone.len()) && !zone.starts_with('-') && zone.bytes().all(is_valid)
    };
    match zone {
        Some(zone) => address.parse::<std::net::Ipv6Addr>().is_ok() && is_zone(zone),
        None => text.parse::<std::net::IpAddr>().is_ok() || is_dns_name(text),
    }
}

fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let ends = !label.starts_with('-') && !label.ends_with('-');
        (1..=63).contains(&label.len()) && ends && label.bytes().all(is_valid)
    };
    // A name whose last label is a number would be taken for a malformed IPv4 address (or for a short
    // form of one) by one resolver and for a name by the next.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number)
}

/// The form that `useradd` and `adduser` accept everywhere, at most 32 characters (`utmp`'s limit).
fn is_user(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_rest = |byte: u8| is_first(byte) || byte.is_ascii_digit() || b".-".contains(&byte);
    text.len() <= 32 && text.bytes().next().is_some_and(is_first) && text.bytes().all(is_rest)
}

/// The key types of OpenSSH that a host may show (sshd(8), authorized_keys file format).
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Reads `type base64 [comment]` and drops the comment. The type inside the blob must be the one in
/// front of it (RFC 4253 §6.6: a string, its length in four bytes first).
fn host_key(text: &str) -> Option<String> {
    if text.len() > HOST_KEY_BYTES_MAX || text.contains(char::is_control) {
        return None;
    }
    let mut words = text.split_ascii_whitespace();
    let (kind, blob) = (words.next()?, words.next()?);
    let bytes = STANDARD.decode(blob).ok()?;
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let inner = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let has_more = rest.len() > inner.len();
    (KEY_TYPES.contains(&kind) && inner == kind.as_bytes() && has_more).then(|| format!("{kind} {blob}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_valid: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(is_valid(text), "{text:?} must be accepted");
        }
        for text in bad {
            assert!(!is_valid(text), "{text:?} must be refused");
        }
    }

    #[test]
    fn addresses() {
        let long = format!("{}.example", "x".repeat(64));
        check(
            is_address,
            &[
                "web",
                "web-1.example.org",
                "_x.example",
                "10.0.0.1",
                "::1",
                "2001:db8::1",
                "fe80::1%eth0",
                "1.example",
            ],
            &[
                "",
                "-oProxyCommand=x",
                "a b",
                "a\n",
                "a..b",
                ".a",
                "a.",
                "a-.b",
                "300.1.1.1",
                "10.0.0",
                "1",
                "[::1]",
                "::1%",
                "::1%-x",
                "10.0.0.1%eth0",
                "a/b",
                "a:22",
                "u@h",
                "ü.example",
                "a\0",
                "$(x)",
                &long,
            ],
        );
    }

    #[test]
    fn users() {
        let long = "x".repeat(33);
        check(is_user, &["root", "_ntp", "a.b-c_9"], &["", "-l", "Root", "9a", "a b", "a;b", "ü", &long]);
    }

    #[test]
    fn host_keys() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        assert_eq!(host_key(key).as_deref(), Some(key));
        assert_eq!(host_key(&format!("{key} git@example")).as_deref(), Some(key));
        check(
            |text| host_key(text).is_some(),
            &[],
            &[
                "",
                "ssh-ed25519",
                "ssh-ed25519 AAAA",
                "ssh-ed25519 !!!!",
                &key.replace("ssh-ed25519 ", "ssh-rsa "),
                &key[12..],
                "ssh-dss AAAAB3NzaC1kc3MAAAAA",
                &format!("{key}\nx"),
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
                &format!("ssh-ed25519 {}", "A".repeat(HOST_KEY_BYTES_MAX)),
            ],
        );
    }
}
