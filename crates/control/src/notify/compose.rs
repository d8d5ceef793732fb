//! What is said to whom: each channel gets what concerns its clients, and no word about others.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::ClientName;
use store::{HostSet, MessageUrgency, NewMessage};

use super::message::{self, Body};
use super::{ChannelScope, Channels};
use crate::bell::{Announcement, AnnouncementKind, FirstLook};
use crate::error::Error;

/// Urgent messages that one run sends on one channel. More would be a storm that nobody reads (and ntfy
/// answers 429 after 60): the rest goes into one more urgent message.
const URGENT_MESSAGES_MAX: usize = 10;

/// Lines of each kind that a digest has.
const DIGEST_LINES_MAX: usize = 10;

/// Clients that are counted by name in one line.
const CLIENTS_NAMED_MAX: usize = 20;

/// Bytes of chance in a message's id.
const ID_BYTES: usize = 16;

/// Makes the messages of one run for every channel.
///
/// # Errors
/// [`Error::Random`] where the system gives no random bytes.
pub(crate) fn compose(
    channels: &Channels,
    announcements: &[Announcement],
    first_look: &FirstLook,
) -> Result<Vec<NewMessage>, Error> {
    let mut messages = Vec::new();
    for scope in channels.scopes() {
        let seen: Vec<_> = announcements.iter().filter_map(|it| Seen::by(scope, it)).collect();
        let (urgent, rest): (Vec<_>, Vec<_>) = seen.into_iter().partition(|it| it.announcement.is_urgent());
        let alone = if urgent.len() > URGENT_MESSAGES_MAX { URGENT_MESSAGES_MAX - 1 } else { urgent.len() };
        for seen in &urgent[..alone] {
            messages.push(urgent_message(scope, seen)?);
        }
        if urgent.len() > alone {
            messages.push(storm(scope, &urgent[alone..])?);
        }
        if !scope.is_urgent_only {
            messages.extend(digest(scope, &rest, first_look)?);
        }
    }
    Ok(messages)
}

/// Makes a message that says that a channel works.
pub(super) fn test_message(scope: &ChannelScope) -> Result<NewMessage, Error> {
    let text = format!("channel {} works; urgent findings and digests will come here", scope.name);
    new_message(scope, MessageUrgency::Test, "test of ifrit", Body { text, ..Body::default() })
}

/// Makes a message of lines that nothing is left out of.
pub(super) fn plain_message(scope: &ChannelScope, title: &str, text: &str) -> Result<NewMessage, Error> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let body = Body { text: message::text(&lines), ..Body::default() };
    new_message(scope, MessageUrgency::Digest, title, body)
}

/// An announcement as a channel may see it.
struct Seen<'a> {
    announcement: &'a Announcement,
    hosts: BTreeMap<ClientName, usize>,
}

impl<'a> Seen<'a> {
    fn by(scope: &ChannelScope, announcement: &'a Announcement) -> Option<Self> {
        let hosts = visible(scope, &announcement.hosts);
        (!hosts.is_empty()).then_some(Self { announcement, hosts })
    }

    fn total(&self) -> usize {
        self.hosts.values().sum()
    }

    fn line(&self) -> String {
        let it = self.announcement;
        format!("{}: {}", subject(it), hosts_text(&self.hosts))
    }
}

fn visible(scope: &ChannelScope, hosts: &HostSet) -> BTreeMap<ClientName, usize> {
    let mut hosts = hosts.len_by_client();
    hosts.retain(|client, _| scope.clients.is_empty() || scope.clients.contains(client));
    hosts
}

/// `CVE-2024-6387 openssh (critical, exploited)`.
pub fn subject(it: &Announcement) -> String {
    let mut marks = Vec::new();
    marks.extend(it.severity.map(|severity| severity.as_str()));
    marks.extend(it.is_exploited.then_some("exploited"));
    marks.extend(it.is_exposed.then_some("exposed"));
    let mut text = format!("{} {}", it.id, it.package_names().join(", "));
    if !marks.is_empty() {
        let _ = write!(text, " ({})", marks.join(", "));
    }
    text
}

/// `12 hosts (acme 8, globex 4)`, the client with the most hosts first.
pub fn hosts_text(hosts: &BTreeMap<ClientName, usize>) -> String {
    let total: usize = hosts.values().sum();
    let mut clients: Vec<_> = hosts.iter().collect();
    clients.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let mut named: Vec<_> =
        clients.iter().take(CLIENTS_NAMED_MAX).map(|(name, count)| format!("{name} {count}")).collect();
    if clients.len() > CLIENTS_NAMED_MAX {
        named.push(format!("{} more clients", clients.len() - CLIENTS_NAMED_MAX));
    }
    let noun = if total == 1 { "host" } else { "hosts" };
    format!("{total} {noun} ({})", named.join(", "))
}

/// Returns the command that shows the hosts of an announcement.
fn command(scope: &ChannelScope, id: &str) -> String {
    let mut command = format!("ifrit who {id}");
    for client in &scope.clients {
        let _ = write!(command, " --client {client}");
    }
    command
}

fn urgent_message(scope: &ChannelScope, seen: &Seen<'_>) -> Result<NewMessage, Error> {
    let it = seen.announcement;
    let what = match it.kind {
        AnnouncementKind::Exploited => "now known to be exploited on",
        _ if it.is_first_look => "found on",
        _ => "new on",
    };
    let noun = if seen.total() == 1 { "host" } else { "hosts" };
    let title = format!("{} {what} {} {noun}", subject(it), seen.total());
    let command = command(scope, it.id.as_str());
    let mut text = vec![format!("hosts by client: {}", hosts_text(&seen.hosts))];
    if !it.vulnerabilities.is_empty() {
        let ids: Vec<_> = it.vulnerabilities.iter().map(|id| id.as_str()).collect();
        text.push(format!("about {}", ids.join(", ")));
    }
    text.push(format!("run: {command}"));
    let body = Body {
        text: message::text(&text),
        kind: Some(kind_word(it).to_owned()),
        vulnerability: Some(it.id.to_string()),
        packages: it.package_names().into_iter().map(str::to_owned).collect(),
        severity: it.severity.map(|severity| severity.as_str().to_owned()),
        exploited: it.is_exploited,
        exposed: it.is_exposed,
        hosts: seen.hosts.iter().map(|(client, count)| (client.to_string(), *count)).collect(),
        command: Some(command),
    };
    new_message(scope, MessageUrgency::Urgent, &title, body)
}

/// The urgent ones that would be too many messages.
fn storm(scope: &ChannelScope, seen: &[Seen<'_>]) -> Result<NewMessage, Error> {
    let lines: Vec<_> = seen.iter().map(Seen::line).collect();
    let body =
        Body { text: message::text(&lines), command: Some("ifrit findings".to_owned()), ..Body::default() };
    new_message(scope, MessageUrgency::Urgent, &format!("{} more urgent findings", seen.len()), body)
}

fn digest(
    scope: &ChannelScope,
    seen: &[Seen<'_>],
    first_look: &FirstLook,
) -> Result<Option<NewMessage>, Error> {
    let mut lines = Vec::new();
    let mut counts = Vec::new();
    for kind in AnnouncementKind::ALL {
        let of_kind: Vec<_> = seen.iter().filter(|it| it.announcement.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        counts.push(format!("{} {}", of_kind.len(), kind.as_str()));
        lines.extend(
            of_kind.iter().take(DIGEST_LINES_MAX).map(|it| format!("{}: {}", kind.as_str(), it.line())),
        );
        if of_kind.len() > DIGEST_LINES_MAX {
            lines.push(format!("{}: {} more", kind.as_str(), of_kind.len() - DIGEST_LINES_MAX));
        }
    }
    let first_seen = visible(scope, &first_look.hosts);
    // Its counts are of all clients: a channel for some of them gets its own hosts only.
    if !first_seen.is_empty() {
        counts.push("first look".to_owned());
        let what = if scope.clients.is_empty() {
            first_look_text(first_look)
        } else {
            "what is open there is counted and not called news".to_owned()
        };
        lines.push(format!("first look at {}: {what}", hosts_text(&first_seen)));
    }
    if lines.is_empty() {
        return Ok(None);
    }
    lines.push("run: ifrit findings".to_owned());
    let body =
        Body { text: message::text(&lines), command: Some("ifrit findings".to_owned()), ..Body::default() };
    new_message(scope, MessageUrgency::Digest, &format!("digest: {}", counts.join(", ")), body).map(Some)
}

/// `214 open findings, 12 of them critical, none of them news`.
pub fn first_look_text(first_look: &FirstLook) -> String {
    let noun = if first_look.open == 1 { "finding" } else { "findings" };
    let critical = match first_look.critical {
        0 => String::new(),
        some => format!(", {some} of them critical"),
    };
    format!("{} open {noun}{critical}, counted and not called news", first_look.open)
}

/// Returns the word that a line begins with.
pub fn kind_word(it: &Announcement) -> &'static str {
    if it.kind == AnnouncementKind::New && it.is_first_look { "found" } else { it.kind.as_str() }
}

fn new_message(
    scope: &ChannelScope,
    urgency: MessageUrgency,
    title: &str,
    body: Body,
) -> Result<NewMessage, Error> {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random { why: error.to_string() })?;
    let mut message_id = String::with_capacity(2 * ID_BYTES);
    for byte in bytes {
        write!(message_id, "{byte:02x}").expect("invariant: writing to a String does not fail");
    }
    let body = serde_json::to_string(&body).expect("invariant: texts and numbers are JSON");
    Ok(NewMessage { message_id, channel: scope.name.clone(), urgency, title: message::title(title), body })
}
